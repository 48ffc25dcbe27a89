"""Look up whether a vulnerability of a pinned package is known: Python's by `uv audit`, those of pages and clients by `npm audit`.

    python scripts/supply.py

Both ask databases of others over the network. Where one is not reached this says so, and the status is 0: what cannot be
known is no fault. Status 1: something is known that `scripts/supply.txt` does not name with the reason why it may stay.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PINS: Final = ROOT / "requirements-dev.txt"
"""All that runs or tests; `requirements.txt` is a part of it."""

LOCKS: Final = ("console", "tests/clients")
"""Folders with a `package-lock.json`."""

IGNORED: Final = ROOT / "scripts" / "supply.txt"

# Whoever is offline should not wait for it.
_IMPATIENT: Final = {
    "UV_HTTP_RETRIES": "0",
    "UV_HTTP_TIMEOUT": "20",
    "npm_config_fetch_retries": "0",
    "npm_config_fetch_timeout": "20000",
}


class NotReached(Exception):
    """Nothing was learned; the text says why."""


def main() -> int:
    """Look everything up, say what came of it, and give the exit status."""
    reasons = ignored(IGNORED.read_text(encoding="utf-8"))
    known: dict[str, str] = {}
    for what in ("Python", *LOCKS):
        try:
            found = of_python(PINS.read_text("utf-8")) if what == "Python" else of_npm(ROOT / what)
        except NotReached as missing:
            print(f"supply: {what}: not looked up: {missing}", file=sys.stderr)
            continue
        known |= found
        print(f"supply: {what}: {len(found)} known vulnerabilities")
    bad = sorted(known.keys() - reasons.keys())
    for id in bad:
        print(f"supply: {id}: {known[id]}", file=sys.stderr)
    if bad:
        print(
            "supply: take a release without it (make lock), or name it in scripts/supply.txt with the reason why it may stay",
            file=sys.stderr,
        )
    return 1 if bad else 0


def ignored(text: str) -> Mapping[str, str]:
    """The ids that may stay, and why; a line each. Raises `ValueError` for one without a reason."""
    reasons = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            id, _, reason = line.partition(" ")
            if not reason.strip():
                raise ValueError(f"supply.txt: {id} has no reason. Write it behind the id.")
            reasons[id] = reason.strip()
    return reasons


def of_python(pins: str) -> Mapping[str, str]:
    """What is known of the pins of a requirements file: id to package and summary. Raises `NotReached`."""
    wanted = [line.removesuffix("\\").strip() for line in pins.splitlines() if line[:1].isalnum()]
    with TemporaryDirectory() as folder:
        project = {"name": "pins", "version": "0", "requires-python": ">=3.11"}
        lines = [f"{name} = {json.dumps(value)}" for name, value in project.items()]
        text = "\n".join(["[project]", *lines, f"dependencies = {json.dumps(wanted)}"])
        Path(folder, "pyproject.toml").write_text(text, encoding="utf-8")
        _run("uv", "lock", "--quiet", folder=folder, fine=(0,))
        features = "--preview-features=audit-command,json-output"
        told = _run(
            "uv", "audit", "--frozen", features, "--output-format=json", folder=folder, fine=(0, 1)
        )
    return {
        one["id"]: f"{one['dependency']['name']} {one['dependency']['version']}: {one['summary']}"
        for one in _json(told)["vulnerabilities"]
    }


def of_npm(folder: Path) -> Mapping[str, str]:
    """What is known of what a folder's `package-lock.json` pins: address of the advice to package and title."""
    told = _json(
        _run("npm", "audit", "--package-lock-only", "--json", folder=str(folder), fine=(0, 1))
    )
    if "vulnerabilities" not in told:
        raise NotReached(told.get("message") or told.get("error") or "npm says nothing of them")
    causes = [cause for one in told["vulnerabilities"].values() for cause in one["via"]]
    return {
        cause["url"].rpartition("/")[2]: f"{cause['name']} {cause['range']}: {cause['title']}"
        for cause in causes
        if isinstance(cause, dict)  # a text names another package that brings it
    }


def _run(*command: str, folder: str, fine: Iterable[int]) -> str:
    """What a program prints. Raises `NotReached` where it is not there, or ends otherwise than in `fine`."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **_IMPATIENT, "PATH": _path()},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except FileNotFoundError:
        raise NotReached(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise NotReached(f"{command[0]} waited for too long") from None
    if done.returncode not in fine:
        lines = [line for line in done.stderr.splitlines() if line.startswith("error")]
        raise NotReached((lines or ["it failed"])[0])
    return done.stdout


def _path() -> str:
    """Where programs are: those of this environment first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def _json(text: str) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError:
        raise NotReached("the answer cannot be read") from None
    return value


if __name__ == "__main__":
    sys.exit(main())
