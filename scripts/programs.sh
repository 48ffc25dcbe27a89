#!/usr/bin/env bash
# See that the programs are there that tests look at our work with: Chromium at the page, LibreOffice at reports, and
# nginx, behind which they run it. The one
# on PATH (or named by CHROMIUM), else Debian's, installed.
#
# Where one cannot be had this is a note, and pytest skips those tests; with CI=true it is an error.
set -uo pipefail
missing=0

# need PURPOSE "PACKAGES" PROGRAM...: one of the programs, or the packages that bring it
need() {
  local purpose=$1 packages=$2 name
  shift 2
  for name in "$@"; do
    command -v "$name" >/dev/null && return
  done
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing Debian's $packages for $purpose" >&2
    export DEBIAN_FRONTEND=noninteractive
    local apt=(apt-get -qq -o DPkg::Lock::Timeout=300)
    # shellcheck disable=SC2086  # several packages
    "${apt[@]}" update && "${apt[@]}" -y install --no-install-recommends $packages >/dev/null && return
  fi
  echo "note: none of $*: without it $purpose are skipped; install $packages" >&2
  missing=1
}

need "the tests of the page" chromium "${CHROMIUM:-chromium}" chromium-browser google-chrome google-chrome-stable
need "the tests behind a reverse proxy" nginx nginx /usr/sbin/nginx
need "the tests that open reports" "libreoffice-writer libreoffice-calc" soffice libreoffice

[ "${CI:-}" != true ] || [ "$missing" = 0 ]
