"""The tests that are run with both executors: all that can come to execute an operation."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.executing import ROOT, executes


def files(pattern: str) -> Sequence[Path]:
    found = sorted((ROOT / "tests").glob(pattern))
    assert found
    return found


@pytest.mark.parametrize(
    "file",
    [
        "schema/execution/test_executor.py",
        "resolvers/test_summary.py",  # by tests.operations
        "server/graphql/test_get.py",  # by what it calls
        "server/cli/test_main.py",  # by what is served
        "server/process/test_app.py",
    ],
)
def test_what_executes_operations_is_found_however_far_it_imports_the_executor(file: str) -> None:
    assert executes(ROOT / "tests" / file)


def test_the_tests_of_the_rules_execute_nothing() -> None:
    assert [file.name for file in files("domain/test_*.py") if executes(file)] == []
