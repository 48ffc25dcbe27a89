"""The promise: `docs/private-apis.md` lists each private name of a library that the product uses, and these libraries are bounded."""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
LAYERS: Final = ("domain", "db", "renderers", "delivery", "resolvers", "schema", "server")
PUBLIC: Final = frozenset(
    {"_asdict", "_fields", "_field_defaults", "_make", "_replace", "_mapping", "_value_", "_exit"}
)
"""Documented names: of NamedTuple, Enum, `os`, and rows of SQLAlchemy."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def modules() -> Iterator[str]:
    """The names of the product's modules, without migrations, which are never imported by name."""
    for layer in LAYERS:
        yield layer
        for found in pkgutil.walk_packages([str(ROOT / layer)], f"{layer}."):
            if ".versions" not in found.name and not found.name.endswith((".__main__", ".env")):
                yield found.name


def own_names(tree: ast.Module) -> set[str]:
    """Names that a module gives to something of its own."""
    names = set[str]()
    for node in ast.walk(tree):
        match node:
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                names.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store(), value=ast.Name(id="self" | "cls")):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
    return names


def used() -> set[str]:
    """Private names that the code reads of something else, imports from a library, or overrides."""
    found = set[str]()
    for layer in LAYERS:
        for file in (ROOT / layer).rglob("*.py"):
            tree = ast.parse(file.read_text("utf-8"))
            own = own_names(tree)
            for node in ast.walk(tree):
                if (
                    isinstance(node, ast.Attribute)
                    and is_private(node.attr)
                    and node.attr not in own
                ):
                    found.add(node.attr)
                elif isinstance(node, ast.ImportFrom) and node.module is not None:
                    if node.module.partition(".")[0] in (*LAYERS, "__future__"):
                        continue
                    found |= {alias.name for alias in node.names if is_private(alias.name)}
                    if any(map(is_private, node.module.split("."))):
                        found.add(node.module)
    for name in modules():
        for made in vars(importlib.import_module(name)).values():
            if inspect.isclass(made) and made.__module__ == name:
                found |= set(overridden(made))
    return found


def overridden(made: type) -> Iterator[str]:
    """The private names of a class that it takes over from a class of a library."""
    for base in made.__mro__[1:]:
        top = base.__module__.partition(".")[0]
        if top not in LAYERS and top not in sys.stdlib_module_names:
            for name, value in vars(made).items():
                is_ours = inspect.isfunction(value) and value.__module__ == made.__module__
                if is_ours and is_private(name) and name in vars(base):
                    yield name


def listed() -> dict[str, str]:
    """The private names of the document, each with its library."""
    lines = (ROOT / "docs" / "private-apis.md").read_text("utf-8").splitlines()
    rows = [line.split("|") for line in lines if line.startswith("| `")]
    return {name: row[2].strip() for row in rows for name in re.findall(r"`([^`]+)`", row[1])}


def requirements(*, with_dev: bool) -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lines = project["project"]["dependencies"]
    if with_dev:
        lines = [*lines, *project["dependency-groups"]["dev"]]
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}


def test_the_list_has_each_private_name_that_is_used_and_no_other() -> None:
    assert set(listed()) == used()


def test_a_library_whose_private_names_are_used_has_an_upper_bound() -> None:
    known = requirements(with_dev=False)

    for library in sorted(set(listed().values())):
        bounds = [one.operator for one in known[canonicalize_name(library)].specifier]
        assert {"<", "<=", "=="} & set(bounds), f"{library} has no upper bound in pyproject.toml"


def imported(folders: tuple[str, ...]) -> set[str]:
    """The distributions of the top-level packages that the code of these folders imports."""
    distributions, found = packages_distributions(), set[str]()
    for folder in folders:
        for file in (ROOT / folder).rglob("*.py"):
            if "node_modules" in file.parts:
                continue
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module is not None:
                    names = [node.module]
                for name in names:
                    top = name.partition(".")[0]
                    if top not in sys.stdlib_module_names and top not in (
                        *LAYERS,
                        "tests",
                        "benchmarks",
                    ):
                        found |= {canonicalize_name(one) for one in distributions.get(top, [top])}
    return found


def test_each_package_that_the_product_imports_is_declared() -> None:
    assert imported(LAYERS) - requirements(with_dev=False).keys() == set()


def test_each_package_that_tests_and_scripts_import_is_declared() -> None:
    assert (
        imported(("tests", "scripts", "benchmarks")) - requirements(with_dev=True).keys() == set()
    )
