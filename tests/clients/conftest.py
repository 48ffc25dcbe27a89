"""Fixtures that serve a log to third-party clients. `programs/` holds their steps, the tests hold the expected results."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.clients.playing import HERE, Log, serving_a_log
from tests.missing import missing

Serve = Callable[..., AbstractContextManager[Log]]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Serve:
    """Serves a log of its own, with some settings."""
    if not (shutil.which("node") and (HERE / "node_modules" / ".package-lock.json").exists()):
        missing("the clients are not installed: make clients")
    return lambda **settings: serving_a_log(
        tmp_path_factory.mktemp("clients"), sqlite_template, **settings
    )


@pytest.fixture
def log(serve: Serve) -> Iterator[Log]:
    """A log of the test's own."""
    with serve() as log:
        yield log
