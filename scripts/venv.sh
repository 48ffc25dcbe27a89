#!/usr/bin/env bash
# Make .venv from the pinned requirements, with this checkout installed in it as it stands (editable).
#
# uv does it in seconds. It comes from PATH, else at its pinned release from where pip gets packages; where neither
# can be had, pip itself installs the same file, in about a minute. PYTHON names the interpreter; without it the first
# one of 3.11 to 3.13 is taken.
set -euo pipefail
cd "$(dirname "$0")/.."

# The range of requires-python in pyproject.toml.
is_supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }

python=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
  if is_supported "$candidate"; then python=$candidate && break; fi
done
if [ -z "$python" ]; then
  echo "error: Python 3.11, 3.12 or 3.13 is needed, and ${PYTHON:-python3} is not. Install it, or name one: make PYTHON=/path/to/python3.12" >&2
  exit 1
fi

is_supported .venv/bin/python || "$python" -m venv --clear .venv
pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check)

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  sed -n '/^uv==/,/[^\\]$/p' requirements-dev.txt >.venv/uv.txt
  if "${pip[@]}" install --require-hashes -r .venv/uv.txt 2>.venv/uv.log; then uv=.venv/bin/uv; fi
fi

if [ -n "$uv" ] && "$uv" pip sync --quiet --python .venv/bin/python --require-hashes requirements-dev.txt; then
  "$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
else
  "${pip[@]}" install --require-hashes -r requirements-dev.txt
  "${pip[@]}" install --no-deps --no-build-isolation --editable .
fi
