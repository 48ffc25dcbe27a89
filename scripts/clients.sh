#!/usr/bin/env bash
# Install the clients that tests run against the server, as tests/clients/package-lock.json pins them.
#
# Without a fitting Node.js, or where they cannot be had, this is a note, and pytest skips those tests; with CI=true it is
# an error.
set -euo pipefail
cd "$(dirname "$0")"

if ! ./node.sh; then
  missing="Node.js 20.19, 22.12 or newer"
else
  cd ../tests/clients
  # npm writes the first file when it has installed what the second one says.
  [ ! node_modules/.package-lock.json -nt package-lock.json ] || exit 0
  npm ci --prefer-offline --loglevel=error && exit
  missing="what npm could not install"
fi
echo "note: the tests of clients are skipped, they need $missing" >&2
[ "${CI:-}" != true ]
