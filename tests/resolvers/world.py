"""A log with a fake provider and a fixed clock, for tests of resolvers.

world = World(database)
await world.send(message("M-1", [recipient("p1", voice())], status=None))
await world.do("mutation($id: ID!) { cancelMessage(input: {messageId: $id}) { … } }", id="message.1")
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import select

from db.connect.database import Database
from db.connect.notices import Notices
from db.sql.connections import ReadConnection
from db.tables.log import DELIVERY, DELIVERY_EVENT, MESSAGE
from db.tables.operations import AUDIT
from delivery.dispatch.due_work import find_jobs, run_job, start_due
from delivery.dispatch.runtime import Runtime
from delivery.gateways.base import Accepted, Handover, Outcome, Polled, Sent
from delivery.gateways.port import Gateway, Passage
from delivery.reports.jobs import RenderJob
from delivery.upkeep.background_tasks import BackgroundTasks
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus
from domain.viewer import Viewer
from resolvers.request.context import Context, open_context
from resolvers.request.process import ProcessServices
from schema.contract import SCHEMA
from tests import log

TAKEN = Accepted("taken", DeliveryStatus.IN_PROGRESS)


class Provider(Gateway[Handover]):
    """A fake provider of every mode. A test sets its answers; it records what it receives."""

    name = "provider"
    modes = frozenset({DeliveryMode.EMAIL, DeliveryMode.VOICE, DeliveryMode.TEXT})

    def __init__(self) -> None:
        self.batch = 1000
        self.per_second = None
        self.handed: list[Handover] = []
        self.asked: list[list[Sent]] = []
        self.outcomes: dict[str, Outcome] = {}
        """What becomes of hand-overs to an address; to the others, that they are taken."""
        self.knows: dict[str, Receipt] = {}
        """What it says of a hand-over when it is asked, by its key."""
        self.is_down = False
        self.answers = asyncio.Event()
        """`poll` waits for this event."""
        self.answers.set()

    def compose(self, handover: Handover) -> Handover:
        return handover

    async def transmit(self, composed: Sequence[Handover], passage: Passage) -> Sequence[Outcome]:
        await passage.leave()
        self.handed += composed
        return [self.outcomes.get(one.address, _taken(one)) for one in composed]

    async def poll(self, sent: Sequence[Sent]) -> Polled:
        self.asked.append(list(sent))
        await self.answers.wait()
        if self.is_down:
            return Polled([], sent)
        return Polled([self.knows[one.key] for one in sent if one.key in self.knows])

    def says(self, key: str, receipt: Receipt) -> None:
        """Have it say this of a hand-over when it is asked."""
        self.knows[key] = receipt._replace(key=key, reference=f"ref {key}")


def _taken(handover: Handover) -> Outcome:
    return TAKEN._replace(reference=f"ref {handover.key}")


class Naps:
    """Sleep that a test ends: `asyncio.sleep` for code under test. It remembers how long each nap was to be."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._running: list[tuple[float, asyncio.Event]] = []

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        nap = (seconds, asyncio.Event())
        self._running.append(nap)
        try:
            await nap[1].wait()
        finally:
            self._running.remove(nap)

    def wake(self, seconds: float | None = None) -> int:
        """End all naps, or those that were to last so long; how many that were."""
        chosen = [event for length, event in self._running if seconds in (None, length)]
        for event in chosen:
            event.set()
        return len(chosen)

    @property
    def running(self) -> list[float]:
        """The naps that go on now."""
        return [length for length, _ in self._running]


class World:
    """One process on a log of Plainview Schools."""

    def __init__(self, database: Database, *, now: datetime = log.NOON) -> None:
        self.database = database
        self.now = now
        self.provider = Provider()
        self.naps = Naps()
        self.announced = 0
        """How often work was announced to a runner."""
        self.announced_reports: list[RenderJob] = []
        runtime = Runtime(
            database=database,
            gateways=dict.fromkeys(Provider.modes, self.provider),
            clock=lambda: self.now,
            chance=lambda: 0.0,
            sleep=self.naps,
        )
        self.process_services = ProcessServices(
            runtime=runtime,
            announce=self._hear,
            notices=Notices(database, sleep=self.naps),
            background_tasks=BackgroundTasks(),
        )

    def use(self, gateways: Mapping[DeliveryMode, Gateway]) -> None:
        """Have these gateways from now on, and no others."""
        runtime = replace(self.runtime, gateways=gateways)
        self.process_services = replace(self.process_services, runtime=runtime)

    async def _hear(self, connection: ReadConnection, job: RenderJob | None = None) -> None:
        self.announced += 1
        self.announced_reports += [] if job is None else [job]

    @property
    def runtime(self) -> Runtime:
        return self.process_services.runtime

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)

    async def take(self, *lines: bytes) -> None:
        """Take a message in, and all that it belongs to."""
        await log.load(self.database, log.district(), log.school(), *lines, now=self.now)

    async def send(self, *lines: bytes) -> None:
        """Take a message in, and hand over what is due."""
        await self.take(*lines)
        await self.work()

    async def work(self) -> None:
        """One round of a runner."""
        await start_due(self.runtime)
        for job in await find_jobs(self.runtime):
            await run_job(self.runtime, job)

    async def open(self, viewer: Viewer | None = None) -> Context:
        """The context of a request that is made now."""
        return await open_context(
            self.database,
            viewer or log.viewer(),
            now=self.now,
            origin="192.0.2.1",
            request_id="r-1",
            process_services=self.process_services,
        )

    async def do(
        self, document: str, *, viewer: Viewer | None = None, **variables: Any
    ) -> Mapping[str, Any]:
        """What the one field of an operation comes to, as a client reads it; fails the test if it has errors."""
        result = await SCHEMA.execute(
            document, variable_values=variables, context_value=await self.open(viewer)
        )
        assert result.errors is None, result.errors
        assert result.data is not None
        (answer,) = orjson.loads(orjson.dumps(result.data)).values()
        assert isinstance(answer, Mapping)
        return answer

    async def refusal(
        self, document: str, *, viewer: Viewer | None = None, **variables: Any
    ) -> tuple[str, str]:
        """The code and the message of the error that an operation comes to, and of no other."""
        result = await SCHEMA.execute(
            document, variable_values=variables, context_value=await self.open(viewer)
        )
        assert result.data is None
        assert result.errors is not None
        (error,) = result.errors
        assert error.extensions is not None
        return error.extensions["code"], error.message

    # What is in the log

    async def status(self, message_id: int = 1) -> str:
        """Where a message stands."""
        async with self.database.reading() as connection:
            statement = select(MESSAGE.c.status).where(MESSAGE.c.id == message_id)
            return str(await connection.scalar(statement))

    async def revision(self, message_id: int = 1) -> int:
        """How often a message changed."""
        async with self.database.reading() as connection:
            statement = select(MESSAGE.c.revision).where(MESSAGE.c.id == message_id)
            return int(await connection.scalar(statement) or 0)

    async def statuses(self) -> list[str]:
        """Where the deliveries stand, in the order in which they came."""
        columns = DELIVERY.c
        order = (columns.message_id, columns.recipient_number, columns.number)
        async with self.database.reading() as connection:
            return list(await connection.scalars(select(columns.status).order_by(*order)))

    async def events(self) -> list[tuple[str, str, str | None]]:
        """What happened to deliveries: status, source and detail, in the order in which it was written."""
        columns = DELIVERY_EVENT.c
        statement = select(columns.status, columns.source, columns.detail).order_by(columns.id)
        async with self.database.reading() as connection:
            return [tuple(row) for row in await connection.execute(statement)]

    async def audit(self) -> list[tuple[str, str, str, str | None, str | None]]:
        """Who did what to what, from where, in which request."""
        columns = AUDIT.c
        statement = select(
            columns.viewer_id, columns.action, columns.subject, columns.origin, columns.request_id
        ).order_by(columns.id)
        async with self.database.reading() as connection:
            return [tuple(row) for row in await connection.execute(statement)]

    async def all_rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that is in the log: for a test that says that nothing changed."""
        tables: Iterator[Any] = iter((MESSAGE, DELIVERY, DELIVERY_EVENT, AUDIT))
        async with self.database.reading() as connection:
            return {
                table.name: sorted(map(tuple, await connection.execute(select(table))), key=repr)
                for table in tables
            }


def limited(world: World, **fields: Any) -> Runtime:
    """The runtime of a world, with some values replaced."""
    return replace(world.runtime, **fields)
