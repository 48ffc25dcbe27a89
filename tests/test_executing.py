"""All tests that may execute an operation run with both executors."""

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
def test_a_module_that_imports_the_executor_indirectly_is_found(file: str) -> None:
    assert executes(ROOT / "tests" / file)


def test_the_tests_of_the_domain_execute_nothing() -> None:
    assert [file.name for file in files("domain/test_*.py") if executes(file)] == []
