"""Subscriptions over a real server, by WebSocket and events: contents, timing, end and rights."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import httpx2
import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import update
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from db.connect.database import Database
from db.dispatch.changes import settle
from db.dispatch.in_flight import lock
from db.tables.log import MESSAGE
from domain.viewer import Right
from resolvers.log import log_changes
from resolvers.log.progress import PAUSE
from schema.contract import SCHEMA
from server.auth.authenticator import Authenticator
from server.auth.issue import make_token
from server.auth.key_sources import connect_keys
from server.graphql.endpoint import Endpoint
from server.graphql.sse import HEARTBEAT
from server.settings.settings import Settings
from tests.delivery.runners.kinds import worker
from tests.delivery.world import call, people
from tests.log import NOON, message
from tests.resolvers.world import World
from tests.server.auth.signing import SECRET

WATCH: Final = """subscription {
    messageChanged(id: "message.1") { revision status deliverySummary { tallies { count } } }
}"""
WATCH_LIST: Final = """subscription {
    logChanged(createdBetween: {from: "2020-01-01", to: "2020-12-31"}) {
        changed { id status deliverySummary { tallies { count } } } more totalCount }
}"""
SOON: Final = NOON + timedelta(minutes=5)
"""The sign-in lasts an hour."""
LATER: Final = NOON + timedelta(hours=2)
CALLS: Final = 1_000


class Stream(Protocol):
    """What a subscriber hears."""

    async def hear(self) -> Any:
        """The next answer; None where the stream is complete."""

    async def hear_nothing(self) -> None:
        """Fail if anything was said before the other side was asked whether it is still there."""


class BySocket:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def hear(self) -> Any:
        said = json.loads(await self.socket.recv())
        return None if said["type"] == "complete" else said["payload"]

    async def hear_nothing(self) -> None:
        for _ in range(5):
            await self.socket.send(json.dumps({"type": "ping"}))
            assert json.loads(await self.socket.recv()) == {"type": "pong"}


class ByEvents:
    def __init__(self, response: httpx2.Response, world: World) -> None:
        self._lines = response.aiter_lines()
        self._house = world

    async def hear(self) -> Any:
        while (event := await self._event()).startswith(":"):
            pass
        name, _, data = event.partition("\n")
        return json.loads(data.removeprefix("data: ")) if name == "event: next" else None

    async def hear_nothing(self) -> None:
        for _ in range(5):
            await until(lambda: HEARTBEAT in self._house.naps.running)
            self._house.naps.wake(HEARTBEAT)
            assert (await self._event()).startswith(":")

    async def _event(self) -> str:
        lines: list[str] = []
        async for line in self._lines:
            if not line and lines:
                return "\n".join(lines)
            lines += [line] if line else []
        raise AssertionError(f"the stream broke off: {lines}")


async def until(happened: Callable[[], object]) -> None:
    """Let everything go on until this has happened."""
    async with asyncio.timeout(30):
        while not happened():  # noqa: ASYNC110  # a turn of the loop, not time
            await asyncio.sleep(0)


class Desk:
    """A server on a world, with subscribers."""

    def __init__(self, world: World, settings: Settings, address: str) -> None:
        self.world = world
        self.address = address
        self._settings = settings

    @property
    def token(self) -> str:
        return make_token(
            self._settings,
            id="u1",
            name="Administrator",
            district="plainview",
            schools=(),
            rights=tuple(Right),
            expires_in=timedelta(hours=1),
            now=NOON,
        )

    @asynccontextmanager
    async def watching(self, way: str, document: str = WATCH) -> AsyncIterator[Stream]:
        """Somebody who watches the message, or the list, by `websocket` or by `events`."""
        authorization = f"Bearer {self.token}"
        async with AsyncExitStack() as opened:
            if way == "websocket":
                address = self.address.replace("http", "ws") + "/graphql"
                protocol = Subprotocol("graphql-transport-ws")
                socket = await opened.enter_async_context(connect(address, subprotocols=[protocol]))
                await socket.send(
                    json.dumps(
                        {"type": "connection_init", "payload": {"Authorization": authorization}}
                    )
                )
                assert json.loads(await socket.recv()) == {"type": "connection_ack"}
                asked = {"type": "subscribe", "id": "1", "payload": {"query": document}}
                await socket.send(json.dumps(asked))
                yield BySocket(socket)
                return
            client = await opened.enter_async_context(httpx2.AsyncClient(timeout=None))
            response = await opened.enter_async_context(
                client.stream(
                    "POST",
                    f"{self.address}/graphql",
                    json={"query": document},
                    headers={"authorization": authorization, "accept": "text/event-stream"},
                )
            )
            assert response.headers["content-type"].startswith("text/event-stream")
            yield ByEvents(response, self.world)

    async def after_pauses(self, wanted: Awaitable[Any]) -> Any:
        """What is waited for, every pause between two states being over at once."""
        task = asyncio.ensure_future(wanted)
        async with asyncio.timeout(60):
            while not task.done():
                self.world.naps.wake(PAUSE)
                for seconds in self.world.naps.running:
                    # At least; longer after a look that took long.
                    if log_changes.PAUSE <= seconds < 60 and seconds != HEARTBEAT:
                        self.world.naps.wake(seconds)
                await asyncio.sleep(0)
        return task.result()

    async def change(self, times: int = 1) -> None:
        """Change the message so that a client can see it."""
        for _ in range(times):
            async with self.world.database.writing() as connection:
                found = await lock(connection, 1)
                assert found is not None
                await settle(connection, found, now=self.world.now)


@asynccontextmanager
async def serving(app: Starlette) -> AsyncIterator[str]:
    """Serve `app` on the loop of the test, which so has the clock and the naps in its hands; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
        )
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started or running.done())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    world = World(database)
    settings = Settings(data_dir=tmp_path, jwt_key=SecretStr(SECRET))

    def clock() -> Any:
        return world.now

    async with httpx2.AsyncClient() as client, world.process_services.notices.listening():
        keys = connect_keys(settings, client, clock=clock)
        endpoint = Endpoint(
            SCHEMA,
            database=database,
            authenticator=Authenticator(settings, keys, clock=clock),
            clock=clock,
            process_services=world.process_services,
        )
        routes = [Route("/graphql", endpoint), WebSocketRoute("/graphql", endpoint)]
        async with serving(Starlette(routes=routes)) as address:
            yield Desk(world, settings, address)
        world.naps.wake()


by_both = pytest.mark.parametrize("way", ["websocket", "events"])


@by_both
async def test_the_present_state_comes_first_and_then_at_most_one_change_a_second(
    desk: Desk, way: str
) -> None:
    await desk.world.take(message("M-1", people(2, call), status=None, scheduled_at=SOON))
    async with desk.watching(way) as stream:
        first = await stream.hear()
        await desk.change(times=3)
        await stream.hear_nothing()
        second = await desk.after_pauses(stream.hear())

    assert first == {
        "data": {
            "messageChanged": {
                "revision": 1,
                "status": "WAITING",
                "deliverySummary": {"tallies": [{"count": 2}]},
            }
        }
    }
    assert second["data"]["messageChanged"]["revision"] == 4


@by_both
async def test_what_a_worker_in_another_process_does_is_seen_to_its_end(
    desk: Desk, way: str, database_url: str, tmp_path: Path
) -> None:
    await desk.world.take(message("M-1", people(CALLS, call), status=None))
    states: list[Any] = []
    async with desk.watching(way) as stream:
        states.append((await stream.hear())["data"]["messageChanged"])

        async def go_on() -> None:
            answer = await desk.after_pauses(stream.hear())
            states.append(answer["data"]["messageChanged"])

        with worker(database_url, tmp_path / "journal"):
            while "PENDING" in await desk.world.statuses():
                await go_on()
        # It has ended, so that this is the last revision.
        while states[-1]["revision"] < await desk.world.revision():
            await go_on()

    revisions = [state["revision"] for state in states]
    assert revisions == sorted(set(revisions))
    assert revisions[-1] == await desk.world.revision()
    assert len(revisions) > 2
    # Each state is whole: nothing is counted twice, nothing missing, in the middle of the work as well.
    assert {
        sum(tally["count"] for tally in state["deliverySummary"]["tallies"]) for state in states
    } == {CALLS}


@by_both
async def test_a_list_shows_what_a_worker_in_another_process_changes(
    desk: Desk, way: str, database_url: str, tmp_path: Path
) -> None:
    await desk.world.take(message("M-1", people(CALLS, call), status=None))
    changes: list[Any] = []
    async with desk.watching(way, WATCH_LIST) as stream:
        first = (await stream.hear())["data"]["logChanged"]
        with worker(database_url, tmp_path / "journal"):
            while "PENDING" in await desk.world.statuses():
                answer = await desk.after_pauses(stream.hear())
                changes.append(answer["data"]["logChanged"])

    assert first == {"changed": [], "more": False, "totalCount": 1}
    assert {change["totalCount"] for change in changes} == {1}
    named = [message for change in changes for message in change["changed"]]
    if desk.world.database.is_postgresql:
        assert {message["id"] for message in named} == {"message.1"}
        counts = [sum(one["count"] for one in m["deliverySummary"]["tallies"]) for m in named]
        assert set(counts) == {CALLS}
    else:
        assert named == []
        assert {change["more"] for change in changes} == {True}


@by_both
async def test_a_client_that_disconnects_ends_its_watch_of_a_list(desk: Desk, way: str) -> None:
    await desk.world.take(message("M-1", people(2, call), status=None, scheduled_at=SOON))
    async with desk.watching(way, WATCH_LIST) as stream:
        await stream.hear()
        assert desk.world.process_services.notices.watches == 1

    await until(lambda: desk.world.process_services.notices.watches == 0)


@by_both
async def test_a_client_that_disconnects_ends_its_watch(desk: Desk, way: str) -> None:
    await desk.world.take(message("M-1", people(2, call), status=None, scheduled_at=SOON))
    async with desk.watching(way) as stream:
        await stream.hear()
        assert desk.world.process_services.notices.watches == 1

    await until(lambda: desk.world.process_services.notices.watches == 0)


@by_both
async def test_a_subscription_ends_when_the_sign_in_expires_even_without_events(
    desk: Desk, way: str
) -> None:
    await desk.world.take(message("M-1", people(2, call), status=None, scheduled_at=LATER))
    async with desk.watching(way) as stream:
        await stream.hear()
        desk.world.now = LATER
        if isinstance(stream, BySocket):
            with pytest.raises(ConnectionClosed) as closed:
                await _wake_until(desk, stream.hear())
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
                4403,
                "Your sign-in has expired. Sign in again and reconnect.",
            )
        else:
            payload = await _wake_until(desk, stream.hear())
            assert "data" not in payload
            (error,) = payload["errors"]
            assert error["extensions"] == {"code": "UNAUTHENTICATED"}
            assert await stream.hear() is None

    await until(lambda: desk.world.process_services.notices.watches == 0)


async def _wake_until(desk: Desk, wanted: Awaitable[Any]) -> Any:
    """What is waited for, every wait being over at once; of a WebSocket, what it says beside is passed over."""
    task = asyncio.ensure_future(wanted)
    async with asyncio.timeout(60):
        while not task.done():
            desk.world.naps.wake()
            await asyncio.sleep(0)
    return task.result()


@by_both
async def test_what_goes_out_of_sight_is_shown_no_more(desk: Desk, way: str) -> None:
    await desk.world.take(message("M-1", people(2, call), status=None, scheduled_at=SOON))
    async with desk.watching(way) as stream:
        await stream.hear()
        async with desk.world.database.writing() as connection:
            await connection.execute(update(MESSAGE).values(visible_from=LATER))
        await desk.change()

        assert await desk.after_pauses(stream.hear()) is None
