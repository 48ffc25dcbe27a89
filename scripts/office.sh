#!/usr/bin/env bash
# Make sure that LibreOffice is there: the tests open reports with it. Never fails: without it those tests skip, or fail when CI=true.
set -uo pipefail
command -v soffice >/dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing Debian's LibreOffice for the tests of reports" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq -o DPkg::Lock::Timeout=300 update \
    && apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends libreoffice-writer libreoffice-calc >/dev/null
else
  false
fi || echo "note: no LibreOffice could be installed; the tests that open reports with it cannot run" >&2
exit 0
