"""The tests of the domain start at once, even if the rest of the code is broken; others see the faults of the list executor."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from schema.execution.executor import FastExecutor

ROOT: Final = Path(__file__).parents[1]

BROKEN: Final = (
    *("db", "renderers", "delivery", "resolvers", "schema", "server"),
    *("playwright", "sqlalchemy", "sqlmodel", "starlette", "strawberry", "uvicorn"),
)
"""The packages that cannot be imported in the run, as if they had a syntax error."""

RUN: Final = f"""
import sys

sys.modules.update(dict.fromkeys({BROKEN}))

import pytest

sys.exit(pytest.main(["tests/domain/test_ids.py", "-q", "-p", "no:cacheprovider"]))
"""


def test_a_test_of_the_domain_runs_even_if_no_other_package_can_be_imported() -> None:
    # With the stock executor, the configuration of the suite imports the schema.
    environment = {k: v for k, v in os.environ.items() if k != "SENTLOG_TEST_EXECUTOR"}
    command = [sys.executable, "-c", RUN]
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert (run.returncode, "passed" in run.stdout) == (0, True), run.stdout + run.stderr


@pytest.mark.skipif(
    os.environ.get("SENTLOG_TEST_EXECUTOR") == "stock", reason="the list executor is not used"
)
def test_faults_of_the_list_executor_are_raised_here_and_in_servers_that_tests_start() -> None:
    assert FastExecutor.strict
    assert os.environ["SENTLOG_EXECUTOR"] == "strict"
