"""Configures the suite: Hypothesis, the executor, and the distribution of tests over workers.

The fixtures are in `tests.databases` and `tests.browsing`. None of these three imports our packages, a database driver or a
browser before a fixture needs it. So the tests of the domain start at once, and run even if the rest is broken.
"""

import os
import re
import sys
from pathlib import Path
from typing import Final

import hypothesis
import pytest

from tests.executing import SERVED, executes

pytest_plugins = ["tests.canaries", "tests.databases", "tests.browsing"]

SLOW: Final = re.compile(
    r"tests/(clients|console|fuzz|db/migrations|delivery/(reports|runners|upkeep)|server/(cli|process|sample))/|_killed\.py$|test_supply"
)
"""Tests that start processes, or try very many inputs: `make quick` leaves them out."""

# Where the environment forbids bytecode files, as images of containers do, each process that a test starts would compile all
# modules again, which is most of its time. So they have a folder beside the sources.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    del os.environ["PYTHONDONTWRITEBYTECODE"]

# No deadline, because the time of an example depends on the load of the machine. No `explain` phase, because it runs a test
# some hundred times more under a tracer: a test with a database then exceeded its timeout before it printed the example.
hypothesis.settings.register_profile(
    "sentlog",
    parent=hypothesis.settings.default,
    deadline=None,
    phases=[phase for phase in hypothesis.Phase if phase is not hypothesis.Phase.explain],
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "quick", parent=hypothesis.settings.get_profile("sentlog"), max_examples=10
)
hypothesis.settings.load_profile(os.environ.get("SENTLOG_TEST_PROFILE", "sentlog"))


def pytest_configure(config: pytest.Config) -> None:
    """Use the stock executor everywhere if `SENTLOG_TEST_EXECUTOR=stock`; otherwise have faults of the list executor raised."""
    os.environ["SENTLOG_EXECUTOR"] = "strict"  # for the servers that tests start
    if os.environ.get("SENTLOG_TEST_EXECUTOR") == "stock":
        from schema.contract import SCHEMA
        from schema.execution.executor import LogExecutor

        SCHEMA.execution_context_class = LogExecutor
        os.environ["SENTLOG_EXECUTOR"] = "stock"


LARGE_LOGS: Final = frozenset(
    {"large_sqlite", "large_postgres", "summed_sqlite", "summed_postgres"}
)
"""The fixtures of logs that take ten seconds to build, as parameters of tests."""

_strict: Final[list[str]] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Have faults of the list executor raised in this process, once a test has imported it."""
    module = sys.modules.get("schema.execution.executor")
    if module is not None and not _strict:
        _strict.append(module.__name__)
        module.FastExecutor.strict = True


pytest_runtest_call = pytest_runtest_setup  # a fixture may have imported it


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in its own hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests and tests that need a browser. The latter run on one worker: each worker would start a Chromium and a server.

    Tests of one large log run on one worker too, because each worker would build it. With pytest 9.2, pytest-xdist 3.8
    ignores these groups (its issue 1386): nothing fails, but each worker does it all.

    With `SENTLOG_TEST_EXECUTOR=stock`, keep only the tests that may execute an operation.
    """
    if os.environ.get("SENTLOG_TEST_EXECUTOR") == "stock":
        items[:] = [
            test
            for test in items
            if executes(test.path) or SERVED in getattr(test, "fixturenames", ())
        ]
    for test in items:
        if SLOW.search(test.nodeid.partition("::")[0]):
            test.add_marker(pytest.mark.slow)
        if isinstance(test, pytest.Function) and "browser" in test.fixturenames:
            test.add_marker(pytest.mark.browser)
            test.add_marker(pytest.mark.xdist_group("browser"))
        callspec = getattr(test, "callspec", None)
        for log in LARGE_LOGS & set(map(str, callspec.params.values() if callspec else ())):
            test.add_marker(pytest.mark.xdist_group(log))
