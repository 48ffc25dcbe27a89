#!/usr/bin/env bash
# Build the browser side into server/static.
#
# Without a fitting Node.js this is a note and no error, since the server works without the page and says so there;
# with CI=true it is an error, since the tests of the page could not run.
set -euo pipefail
cd "$(dirname "$0")/../console"

if ! ../scripts/node.sh; then
  echo "note: GraphiQL was not built, that needs Node.js 20.19, 22.12 or newer; the server works without it" >&2
  [ "${CI:-}" = true ] && exit 1
  exit 0
fi

# npm writes the second file when it has installed what the first one says.
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then npm ci --loglevel=error; fi
npm run --silent build
