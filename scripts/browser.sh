#!/usr/bin/env bash
# See that there is a Chromium for the tests of the page: the one in CHROMIUM or on PATH, else Debian's, installed.
#
# Where none can be had this is a note, and pytest skips those tests; with CI=true it is an error.
set -uo pipefail

[ -x "${CHROMIUM:-}" ] && exit 0
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  command -v "$name" >/dev/null && exit 0
done

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing Debian's chromium for the tests of the page" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
  "${apt[@]}" update && "${apt[@]}" -y install --no-install-recommends chromium >/dev/null && exit 0
fi

echo "note: no Chromium: install one, or set CHROMIUM=/path/to/chrome; without it the tests of the page are skipped" >&2
[ "${CI:-}" != true ]
