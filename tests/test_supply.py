"""A known vulnerability is a failure; a database that cannot be reached is reported and is not."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def supply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, with the programs of `fake_program` on its path, and no ignored vulnerability."""
    spec = importlib.util.spec_from_file_location("supply", ROOT / "scripts" / "supply.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "_path", lambda: f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(module, "IGNORED", tmp_path / "supply.txt")
    (tmp_path / "supply.txt").write_text("# none\n")
    (tmp_path / "bin").mkdir()
    return module


def fake_program(folder: Path, program: str, output: Any, *, status: int, error: str = "") -> None:
    """Write a program that prints `output` and exits with `status`; it records its arguments and its `pyproject.toml`."""
    file = folder / "bin" / program
    answer = folder / f"{program}.json"
    answer.write_text(output if isinstance(output, str) else json.dumps(output))
    file.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {folder}/{program}.calls\n'
        f"[ ! -f pyproject.toml ] || cp pyproject.toml {folder}/\n"
        f'[ "$1" != lock ] || exit 0\n'
        f"cat {answer}; echo '{error}' >&2; exit {status}\n"
    )
    file.chmod(0o755)


CLEAN: dict[str, Any] = {"vulnerabilities": []}
NPM_CLEAN: dict[str, Any] = {"vulnerabilities": {}}
BAD = {
    "vulnerabilities": [
        {
            "id": "GHSA-1",
            "dependency": {"name": "starlette", "version": "0.1"},
            "summary": "it falls over",
        }
    ]
}
NPM_BAD = {
    "vulnerabilities": {
        "vite": {"via": ["esbuild"]},
        "esbuild": {
            "via": [
                {
                    "name": "esbuild",
                    "range": "<1",
                    "title": "it tells all",
                    "url": "https://advice.example/GHSA-2",
                }
            ]
        },
    }
}


def test_without_known_vulnerabilities_the_status_is_0(
    supply: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_program(tmp_path, "uv", CLEAN, status=0)
    fake_program(tmp_path, "npm", NPM_CLEAN, status=0)

    assert supply.main() == 0
    assert capsys.readouterr().out.splitlines() == [
        "supply: Python: 0 known vulnerabilities",
        "supply: console: 0 known vulnerabilities",
        "supply: tests/clients: 0 known vulnerabilities",
    ]
    asked = (tmp_path / "pyproject.toml").read_text()
    pins = [line for line in supply.PINS.read_text().splitlines() if "==" in line]
    assert len(pins) > 100
    assert all(json.dumps(pin.removesuffix("\\").strip()) in asked for pin in pins)


def test_a_known_vulnerability_of_a_pin_is_a_failure(
    supply: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_program(tmp_path, "uv", BAD, status=1)
    fake_program(tmp_path, "npm", NPM_BAD, status=1)

    assert supply.main() == 1
    assert capsys.readouterr().err.splitlines()[:2] == [
        "supply: GHSA-1: starlette 0.1: it falls over",
        "supply: GHSA-2: esbuild <1: it tells all",
    ]


def test_a_vulnerability_with_a_reason_is_ignored(supply: ModuleType, tmp_path: Path) -> None:
    fake_program(tmp_path, "uv", BAD, status=1)
    fake_program(tmp_path, "npm", NPM_BAD, status=1)
    (tmp_path / "supply.txt").write_text("GHSA-1 that part is not used\nGHSA-2 it is not served\n")

    assert supply.main() == 0


def test_a_reason_is_needed(supply: ModuleType) -> None:
    with pytest.raises(ValueError, match="GHSA-1 has no reason"):
        supply.ignored("GHSA-1 \n")


@pytest.mark.parametrize(
    ("uv", "npm"),
    [
        (("", 2, "error: it is not there"), ({"message": "405 Method Not Allowed"}, 1, "")),
        (("", 2, ""), ({"error": "no answer"}, 1, "")),
        (("<html>", 0, ""), ("", 1, "")),
        (None, None),
    ],
)
def test_a_database_that_cannot_be_reached_is_reported_and_is_no_failure(
    supply: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    uv: tuple[Any, int, str] | None,
    npm: tuple[Any, int, str] | None,
) -> None:
    monkeypatch.setattr(supply, "_path", lambda: str(tmp_path / "bin") + ":/bin")
    for program, output in (("uv", uv), ("npm", npm)):
        if output is not None:
            fake_program(tmp_path, program, output[0], status=output[1], error=output[2])
    if uv is None:
        monkeypatch.setattr(supply, "_path", lambda: str(tmp_path / "bin"))

    assert supply.main() == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split(": ")[:3] for line in captured.err.splitlines()] == [
        ["supply", "Python", "not looked up"],
        ["supply", "console", "not looked up"],
        ["supply", "tests/clients", "not looked up"],
    ]
