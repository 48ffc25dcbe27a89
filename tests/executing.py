"""Which tests can come to execute an operation, by what their modules import: those are run with both executors."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
EXECUTOR: Final = ROOT / "schema" / "execution" / "executor.py"
SERVED: Final = "live_server"
"""The fixture that serves the application: tests/browsing.py imports that only where the fixture is asked for."""


def executes(file: Path) -> bool:
    """Whether a module of tests, or anything of ours that it imports, however far, imports the executor."""
    seen: set[Path] = set()
    waiting = [file]
    while waiting:
        module = waiting.pop()
        if module == EXECUTOR:
            return True
        if module not in seen:
            seen.add(module)
            waiting += _imported(module)
    return False


@cache
def _imported(file: Path) -> tuple[Path, ...]:
    """The modules of ours that a module imports, at its top or in a function."""
    names = {name for node in ast.walk(ast.parse(file.read_text())) for name in _names(node)}
    places = (ROOT.joinpath(*name.split(".")) for name in sorted(names))
    return tuple(
        found
        for place in places
        for found in (place.with_suffix(".py"), place / "__init__.py")
        if found.exists()
    )


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
