#!/usr/bin/env bash
# Renew the pins: every requirement of pyproject.toml, for every platform and Python, with hashes and without a host.
#
# Arguments go to uv: `scripts/lock.sh --upgrade` takes the newest releases, `--upgrade-package NAME` only that one's.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=$(command -v .venv/bin/uv || command -v uv)
compile=("$uv" pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes
  --no-header --no-annotate --no-emit-index-url)

"${compile[@]}" --group dev "$@" --output-file requirements-dev.txt
# The same releases as the tests run with, or the tests would prove nothing about what is served.
"${compile[@]}" --constraints requirements-dev.txt --output-file requirements.txt
