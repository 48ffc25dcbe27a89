"""Look up known vulnerabilities of pinned packages: Python's with `uv audit`, those of npm with `npm audit`.

    python scripts/supply.py

Both query databases over the network. If one cannot be reached, this is reported and the status is 0. Status 1: there is a
known vulnerability that `scripts/supply.txt` does not list with a reason.
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
"""All pins for running and testing, including those of `requirements.txt`."""

LOCKS: Final = ("console", "tests/clients")
"""Folders with a `package-lock.json`."""

IGNORED: Final = ROOT / "scripts" / "supply.txt"

# Short, so that nobody waits while offline.
_IMPATIENT: Final = {
    "UV_HTTP_RETRIES": "0",
    "UV_HTTP_TIMEOUT": "20",
    "npm_config_fetch_retries": "0",
    "npm_config_fetch_timeout": "20000",
}


class NotReached(Exception):
    """A database could not be reached; the text has the reason."""


def main() -> int:
    """Look everything up, print the result, and return the exit status."""
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
    """Return the ignored ids with their reasons, one per line. Raises `ValueError` for one without a reason."""
    reasons = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            id, _, reason = line.partition(" ")
            if not reason.strip():
                raise ValueError(f"supply.txt: {id} has no reason. Write it behind the id.")
            reasons[id] = reason.strip()
    return reasons


def of_python(pins: str) -> Mapping[str, str]:
    """Return known vulnerabilities of the pins of a requirements file: id to package and summary. Raises `NotReached`."""
    dependencies = [
        line.removesuffix("\\").strip() for line in pins.splitlines() if line[:1].isalnum()
    ]
    with TemporaryDirectory() as folder:
        project = {"name": "pins", "version": "0", "requires-python": ">=3.11"}
        lines = [f"{name} = {json.dumps(value)}" for name, value in project.items()]
        text = "\n".join(["[project]", *lines, f"dependencies = {json.dumps(dependencies)}"])
        Path(folder, "pyproject.toml").write_text(text, encoding="utf-8")
        _run("uv", "lock", "--quiet", folder=folder, fine=(0,))
        features = "--preview-features=audit-command,json-output"
        output = _run(
            "uv", "audit", "--frozen", features, "--output-format=json", folder=folder, fine=(0, 1)
        )
    return {
        one["id"]: f"{one['dependency']['name']} {one['dependency']['version']}: {one['summary']}"
        for one in _json(output)["vulnerabilities"]
    }


def of_npm(folder: Path) -> Mapping[str, str]:
    """Return known vulnerabilities of a folder's `package-lock.json`: URL of the advisory to package and title."""
    report = _json(
        _run("npm", "audit", "--package-lock-only", "--json", folder=str(folder), fine=(0, 1))
    )
    if "vulnerabilities" not in report:
        raise NotReached(report.get("message") or report.get("error") or "npm says nothing of them")
    causes = [cause for one in report["vulnerabilities"].values() for cause in one["via"]]
    return {
        cause["url"].rpartition("/")[2]: f"{cause['name']} {cause['range']}: {cause['title']}"
        for cause in causes
        if isinstance(cause, dict)  # a text is the name of another package with the vulnerability
    }


def _run(*command: str, folder: str, fine: Iterable[int]) -> str:
    """Return the output of a program. Raises `NotReached` if it is missing, or its status is not in `fine`."""
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
    """Return PATH, with the programs of this environment first."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def _json(text: str) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError:
        raise NotReached("the answer cannot be read") from None
    return value


if __name__ == "__main__":
    sys.exit(main())
