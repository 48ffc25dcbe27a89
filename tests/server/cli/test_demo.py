"""The demo: its own file and key, on this machine alone, with a link that signs in."""

import asyncio
import socket
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from domain.status import DeliveryMode
from domain.viewer import Right
from server.auth.authenticator import Authenticator
from server.auth.issue import for_signing
from server.auth.key_sources import connect_keys
from server.cli import demo
from server.process import collector, serve
from server.settings.settings import Settings, SettingsError
from tests.log import district, message


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have been served, and where; with two messages instead of a year."""
    served: list[Any] = []

    def lines() -> Iterator[bytes]:
        yield from (district(), message("M-1"), message("M-2"))

    def answer(listener: socket.socket, app: Any, **limits: Any) -> None:
        served.append(listener.getsockname())

    monkeypatch.setattr(demo, "demo_lines", lines)
    monkeypatch.setattr(serve, "run", answer)
    monkeypatch.setattr(collector, "freeze_startup_objects", lambda: served.append("settled"))
    monkeypatch.setattr(demo, "configure", lambda *arguments, **options: None)
    return served


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def test_the_link_signs_in_as_an_administrator_who_may_do_everything(
    served: list[Any], tmp_path: Path
) -> None:
    said: list[str] = []
    port = free_port()

    # in a thread of its own, since it runs loops of its own
    await asyncio.to_thread(demo.run, Settings(data_dir=tmp_path), port=port, say=said.append)

    assert served == ["settled", ("127.0.0.1", port)]
    assert said[:2] == ["Loading the log of Plainview Schools …", "2 messages are in the log."]
    [link] = [line.strip() for line in said if "graphiql" in line]
    address, _, token = link.removeprefix("Open").strip().partition("#token=")
    assert address == f"http://127.0.0.1:{port}/graphiql/"
    # `sentlog token` beside the demo signs with the same key
    beside = for_signing(Settings(data_dir=tmp_path))
    now = datetime.now(UTC)
    async with httpx2.AsyncClient() as client:
        keys = connect_keys(beside, client, clock=lambda: now)
        viewer = await Authenticator(beside, keys, clock=lambda: now).viewer(f"Bearer {token}")
    assert (viewer.district, viewer.schools, viewer.rights) == (
        "plainview",
        frozenset(),
        frozenset(Right),
    )


def test_a_second_start_finds_what_the_first_one_left(served: list[Any], tmp_path: Path) -> None:
    said: list[str] = []
    keys = []
    key = tmp_path / "demo" / "jwt-key"
    for _ in range(2):
        demo.run(Settings(data_dir=tmp_path), port=free_port(), say=said.append)
        keys.append(key.read_text())

    assert said.count("2 messages are in the log.") == 2
    assert keys[0] == keys[1]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_demo_of_an_earlier_release_keeps_its_messages(
    served: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    demo.run(Settings(data_dir=tmp_path), port=free_port(), say=said.append)

    def lines() -> Iterator[bytes]:
        yield from (district(), message("M-1", category="New"), message("M-2"), message("M-3"))

    monkeypatch.setattr(demo, "demo_lines", lines)
    demo.run(Settings(data_dir=tmp_path), port=free_port(), say=said.append)

    counts = [line for line in said if line.endswith("in the log.")]
    assert counts == ["2 messages are in the log.", "3 messages are in the log."]


def test_the_demo_keeps_away_from_a_real_log(served: list[Any], tmp_path: Path) -> None:
    real = tmp_path / "real.sqlite3"
    settings = Settings(
        data_dir=tmp_path,
        database_url=make_url(f"sqlite+aiosqlite:///{real}"),
        jwt_key=SecretStr("k" * 64),
        gateways={DeliveryMode.EMAIL: "smtp"},
        smtp_url=SecretStr("smtp://user:secret@mail.example:25"),
    )

    demo.run(settings, port=free_port(), say=lambda line: None)

    assert not real.exists()
    assert (tmp_path / "demo" / "sentlog.sqlite3").exists()


def test_a_used_port_is_reported_before_the_sample_is_loaded(
    served: list[Any], tmp_path: Path
) -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingsError):
        demo.run(Settings(data_dir=tmp_path), port=taken.getsockname()[1], say=said.append)

    assert (said, served) == ([], [])
    assert not (tmp_path / "demo" / "sentlog.sqlite3").exists()
