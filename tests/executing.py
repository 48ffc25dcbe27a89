"""Finds the test modules that may execute an operation, from their imports; these run with both executors."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
EXECUTOR: Final = ROOT / "schema" / "execution" / "executor.py"
SERVED: Final = "live_server"
"""The fixture that serves the application; `tests/browsing.py` imports the application only inside the fixture."""


def executes(file: Path) -> bool:
    """Return whether a test module imports the executor, directly or through our modules."""
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
    """Return the modules of ours that a module imports, at its top or in a function."""
    names = {name for node in ast.walk(ast.parse(file.read_text())) for name in _names(node)}
    places = (ROOT.joinpath(*name.split(".")) for name in sorted(names))
    return tuple(
        module
        for place in places
        for module in (place.with_suffix(".py"), place / "__init__.py")
        if module.exists()
    )


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
