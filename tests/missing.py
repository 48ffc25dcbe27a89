"""What a machine lacks for a test."""

import os
from typing import Final, NoReturn

import pytest

IN_CI: Final = os.environ.get("CI") == "true"


def missing(what: str) -> NoReturn:
    """Skip for want of a program; fail in CI, where green has to mean that the test ran."""
    if IN_CI:
        pytest.fail(f"{what} (CI=true: nothing is skipped)", pytrace=False)
    pytest.skip(what)
