"""The promise: the application closes everything it opened, however it ends, and also after a failed start."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.testclient import TestClient

import server.process.app
from delivery.upkeep.background_tasks import BackgroundTasks
from server.process.app import create_app
from server.process.background import DeliveryServices
from tests.server.calling import filled


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was let go, in order."""
    ended: list[str] = []

    def note(owner: type[Any], name: str) -> None:
        real = getattr(owner, name)

        async def noted(self: Any, *given: Any) -> None:
            ended.append(f"{owner.__name__}.{name}")
            await real(self, *given)

        monkeypatch.setattr(owner, name, noted)

    note(AsyncEngine, "dispose")
    note(httpx2.AsyncClient, "aclose")
    note(DeliveryServices, "close")
    note(BackgroundTasks, "stop")
    return ended


ALL = [
    "BackgroundTasks.stop",
    "DeliveryServices.close",
    "AsyncClient.aclose",
    "AsyncEngine.dispose",
]


def test_a_server_that_stops_closes_everything(
    tmp_path: Path, sqlite_template: Path, ended: list[str]
) -> None:
    settings, clock = filled(tmp_path, sqlite_template)
    app = create_app(settings, clock=clock)
    ended.clear()

    with TestClient(app):
        assert ended == []

    assert ended == ALL


def test_a_start_that_fails_halfway_closes_everything(
    tmp_path: Path, sqlite_template: Path, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, clock = filled(tmp_path, sqlite_template)

    @asynccontextmanager
    async def fail(run: Any) -> AsyncIterator[None]:
        raise RuntimeError("it does not start")
        yield

    monkeypatch.setattr(server.process.app, "run_beside", fail)
    app = create_app(settings, clock=clock)
    ended.clear()

    with pytest.raises(RuntimeError, match="it does not start"), TestClient(app):
        raise AssertionError("it started")

    assert ended == ALL


def test_one_that_cannot_be_let_go_keeps_none_of_the_others(
    tmp_path: Path, sqlite_template: Path, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, clock = filled(tmp_path, sqlite_template)

    async def fail(self: DeliveryServices) -> None:
        ended.append("DeliveryServices.close")
        raise OSError("the provider is gone")

    monkeypatch.setattr(DeliveryServices, "close", fail)
    app = create_app(settings, clock=clock)
    ended.clear()

    with pytest.raises(OSError, match="the provider is gone"), TestClient(app):
        assert ended == []

    assert ended == ALL
