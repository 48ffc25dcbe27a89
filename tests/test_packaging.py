"""The wheel and its pins: it contains all packages, and no pin names the host of a registry."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

import schema

ROOT = Path(__file__).parents[1]
RUN = ROOT / "requirements.txt"
DEVELOP = ROOT / "requirements-dev.txt"


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def packages() -> set[str]:
    """The packages of this repository: every top-level folder that can be imported, except tests and benchmarks."""
    return {init.parent.name for init in ROOT.glob("*/__init__.py")} - {"benchmarks", "tests"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    with ZipFile(next(folder.glob("*.whl"))) as wheel:
        yield wheel


def pins(file: Path) -> dict[str, list[str]]:
    """Return the hashes of each pinned release, by `name==version`."""
    lines = file.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return {
        line.split(maxsplit=1)[0]: re.findall(r"--hash=sha256:[0-9a-f]{64}", line) for line in lines
    }


def test_our_package_schema_is_imported_and_not_the_one_on_pypi() -> None:
    assert schema.__file__ is not None
    assert Path(schema.__file__) == ROOT / "schema" / "__init__.py"


def test_no_package_is_forgotten(project: dict[str, Any], packages: set[str]) -> None:
    """Every package must be in the wheel and in the contracts of import-linter."""
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == packages
    assert set(project["tool"]["importlinter"]["root_packages"]) == packages


def test_the_domain_may_import_no_other_dependency(project: dict[str, Any]) -> None:
    names = {
        re.sub("[-_.]+", "-", Requirement(dependency).name).lower()
        for dependency in project["project"]["dependencies"]
    }
    modules = {
        module
        for module, distributions in packages_distributions().items()
        if not module.startswith("_") and names & {name.lower() for name in distributions}
    }
    contract = next(
        contract
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract.get("source_modules") == ["domain"]
    )

    # tzdata has the time zones of the standard library for systems without them. The other two parse addresses without I/O.
    allowed = {"tzdata", "email_validator", "phonenumbers"}
    assert modules - allowed - set(contract["forbidden_modules"]) == set()


def test_the_wheel_holds_the_packages_and_nothing_else(
    wheel: ZipFile, packages: set[str], project: dict[str, Any]
) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}

    assert tops == packages | {f"sentlog-{project['project']['version']}.dist-info"}


def test_the_wheel_holds_every_file_of_the_packages(wheel: ZipFile, packages: set[str]) -> None:
    """Data files are easily forgotten: tables of codes, migrations and their template, fonts."""
    files = {
        file.relative_to(ROOT).as_posix()
        for package in packages
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }

    assert files - set(wheel.namelist()) == set()


def test_the_page_is_shipped(wheel: ZipFile, built_console: Path) -> None:
    shipped = {name for name in wheel.namelist() if name.startswith("server/static/")}

    assert "server/static/index.html" in shipped
    assert "server/static/licenses.md" in shipped
    assert shipped == {
        file.relative_to(ROOT).as_posix() for file in built_console.rglob("*") if file.is_file()
    }


def test_the_command_runs_from_the_wheel_alone(wheel: ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")

    printed = subprocess.run(
        [sys.executable, "-P", "-c", "from server.cli.main import main; main(['schema'])"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site")},
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert printed == (ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", [RUN, DEVELOP], ids=lambda file: file.name)
def test_every_pin_has_hashes_and_no_host(file: Path) -> None:
    assert "://" not in file.read_text(encoding="utf-8")
    pinned = pins(file)
    assert [pin for pin in pinned if not re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", pin)] == []
    assert [pin for pin, hashes in pinned.items() if not hashes] == []


def test_the_runtime_pins_are_among_the_development_pins() -> None:
    run, develop = pins(RUN), pins(DEVELOP)

    assert run.items() <= develop.items()


def test_every_dependency_is_pinned_within_its_bounds(project: dict[str, Any]) -> None:
    """Detects a bound that was changed without `make lock`."""
    run, develop = (dict(pin.split("==") for pin in pins(file)) for file in (RUN, DEVELOP))

    for pinned, dependencies in [
        (run, project["project"]["dependencies"]),
        (develop, project["dependency-groups"]["dev"]),
    ]:
        for requirement in map(Requirement, dependencies):
            assert requirement.specifier.contains(pinned[requirement.name.lower()]), requirement


@pytest.mark.parametrize("folder", ["benchmarks/peers/node", "console", "tests/clients"])
def test_the_pins_from_npm_have_hashes_and_no_host(folder: str) -> None:
    lock = json.loads((ROOT / folder / "package-lock.json").read_text(encoding="utf-8"))
    installed = {path: package for path, package in lock["packages"].items() if path}

    assert [path for path, package in installed.items() if "resolved" in package] == []
    assert [path for path, package in installed.items() if "integrity" not in package] == []
