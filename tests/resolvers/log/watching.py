"""Subscribers to `logChanged`, for tests: each receives event after event, and cuts all pauses short."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Any, Final

from db.connect.database import Database
from db.connect.notices import notify
from db.dispatch.changes import settle
from db.dispatch.in_flight import lock
from schema.contract import SCHEMA
from tests.log import NOON, email, message, recipient, viewer
from tests.resolvers.world import World

WATCH: Final = """subscription($days: DateRange!, $filter: MessageFilter) {
    logChanged(createdBetween: $days, filter: $filter) {
        changed { id status revision originLabel } more totalCount } }"""
DAYS: Final = {"from": "2020-01-01", "to": "2020-12-31"}
LATER: Final = NOON + timedelta(hours=1)
PATIENCE: Final = 30.0

Stream = AsyncGenerator[Any, None]


def waiting(id: str, school: str | None = "east", **fields: Any) -> bytes:
    people = [recipient(f"p-{id}", email(f"{id}@nomail.example".lower()))]
    return message(id, people, school=school, **{"status": None, "scheduled_at": LATER} | fields)


async def receive_all(world: World) -> None:
    """Wait until the notices of all commits so far are here: they come in the order of the commits."""
    with world.process_services.notices.watch("last") as watch:
        async with world.database.writing() as connection:
            await notify(connection, "last")
        await watch.changed()


def cut_pauses(world: World) -> None:
    """End all naps but those that wait for a time of day."""
    for seconds in world.naps.running:
        if seconds < 60:
            world.naps.wake(seconds)


class Watcher:
    """Somebody who watches a list, and cuts all pauses short."""

    def __init__(self, world: World, stream: Stream) -> None:
        self._world = world
        self._stream = stream
        self._next: asyncio.Future[Any] | None = None

    async def change(self) -> Mapping[str, Any]:
        """The next event."""
        await receive_all(self._world)
        task = self._next or asyncio.ensure_future(anext(self._stream))
        self._next = None
        async with asyncio.timeout(PATIENCE):
            while not task.done():
                cut_pauses(self._world)
                await asyncio.sleep(0)
        result = task.result()
        assert result.errors is None, result.errors
        change: Mapping[str, Any] = result.data["logChanged"]
        return change

    async def brief(self) -> tuple[list[str], bool, int]:
        """The next event: ids of changed messages, whether there are more, the number."""
        change = await self.change()
        return [one["id"] for one in change["changed"]], change["more"], change["totalCount"]

    async def is_silent(self) -> bool:
        """Whether no event comes until the stream waits for notices again, whatever it was woken by."""
        await receive_all(self._world)
        task = self._next = self._next or asyncio.ensure_future(anext(self._stream))
        for _ in range(400):
            cut_pauses(self._world)
            await asyncio.sleep(0.001)
            if task.done():
                return False
        return True

    async def close(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.gather(self._next, return_exceptions=True)
        await self._stream.aclose()


async def watch(
    world: World,
    filter: Mapping[str, Any] | None = None,
    days: Mapping[str, str] = DAYS,
    **who: Any,
) -> Watcher:
    """Somebody who watches, after the first event."""
    stream: Any = await SCHEMA.subscribe(
        WATCH,
        variable_values={"days": days, "filter": filter},
        context_value=await world.open(viewer(**who)),
    )
    return Watcher(world, stream)


async def change(database: Database, *ids: int) -> None:
    """Change messages so that a client can see it, each in a transaction of its own."""
    for id in ids:
        async with database.writing() as connection:
            found = await lock(connection, id)
            assert found is not None
            await settle(connection, found, now=NOON)
