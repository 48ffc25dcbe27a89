"""The promise: the tests of the rules start at once, and go on when the rest of the code is broken."""

import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

BROKEN: Final = (
    *("db", "renderers", "delivery", "resolvers", "schema", "server"),
    *("playwright", "sqlalchemy", "sqlmodel", "starlette", "strawberry", "uvicorn"),
)
"""What cannot be imported in the run, as with a syntax error in it."""

RUN: Final = f"""
import sys

sys.modules.update(dict.fromkeys({BROKEN}))

import pytest

sys.exit(pytest.main(["tests/domain/test_ids.py", "-q", "-p", "no:cacheprovider"]))
"""


def test_a_test_of_the_rules_runs_though_nothing_else_can_be_imported() -> None:
    run = subprocess.run(
        [sys.executable, "-c", RUN], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (run.returncode, "passed" in run.stdout) == (0, True), run.stdout + run.stderr
