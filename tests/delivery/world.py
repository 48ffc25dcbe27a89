"""Tools for tests of delivery: a manual clock, a fake gateway, and a `World`, which works with them and reads the rows."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import select, text, update

from db.connect.database import Database
from db.dispatch.cancel import CanceledMessage, cancel
from db.dispatch.in_flight import COLUMNS, LiveDelivery
from db.log.deliveries import DeliveryKey
from db.tables.log import CANCELLATION, DELIVERY, DELIVERY_EVENT, MESSAGE, RECIPIENT, SPAN, TALLY
from db.tables.operations import PACE
from delivery.dispatch.due_work import find_jobs, run_job, start_due
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.settlement import settle_lapsed
from delivery.gateways.base import Accepted, Finding, Handover, NotAtProvider, Outcome, Unavailable
from delivery.gateways.port import Gateway, Passage
from domain.status import (
    DeliveryMode,
    DeliveryStatus,
    EventSource,
    MessageStatus,
)
from tests import log
from tests.delivery.recounting import recount
from tests.log import NOON

Fake = TypeVar("Fake", bound="FakeGateway")

ALL_MODES: Final = frozenset(DeliveryMode)


class Clock:
    """A clock that only moves when a test advances it."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds=seconds)


def accept(handover: Handover) -> Outcome:
    """Accept a delivery, with a reference made of its key and attempt."""
    return Accepted(f"REF-{handover.key}-{handover.attempt}", DeliveryStatus.IN_PROGRESS)


def no_find(handover: Handover) -> Finding:
    return NotAtProvider()


class FakeGateway(Gateway[Handover]):
    """A gateway that records hand-overs, a wave per request, and answers with `answer` and `find`."""

    name = "fake"
    modes = frozenset({DeliveryMode.EMAIL, DeliveryMode.VOICE, DeliveryMode.TEXT})

    def __init__(
        self,
        *,
        answer: Callable[[Handover], Outcome] = accept,
        find: Callable[[Handover], Finding] = no_find,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
        batch: int = 100,
        per_second: float | None = None,
    ) -> None:
        self.answer = answer
        self.finding = find
        self.meanwhile = meanwhile
        """Called after a hand-over and before the answer."""
        self.batch = batch
        self.per_second = per_second
        self.given: list[Handover] = []
        self.lookups: list[Handover] = []
        self.waves: list[int] = []
        self.is_reachable = True

    @property
    def keys(self) -> list[str]:
        """The keys of the deliveries that were handed over, in order."""
        return [handover.key for handover in self.given]

    def requests(self, handovers: Sequence[Handover]) -> Sequence[Sequence[int]]:
        return [range(len(handovers))]

    def compose(self, handover: Handover) -> Handover:
        return handover

    async def transmit(self, composed: Sequence[Handover], passage: Passage) -> Sequence[Outcome]:
        await passage.leave()
        self.given += composed
        self.waves.append(len(composed))
        if self.meanwhile is not None:
            await self.meanwhile()
        return [self.answer(handover) for handover in composed]

    async def find(self, handover: Handover, *, handed_at: datetime, now: datetime) -> Finding:
        self.lookups.append(handover)
        if not self.is_reachable:
            raise Unavailable("no connection")
        return self.finding(handover)


def runtime_of(
    database: Database,
    clock: Clock,
    gateways: Mapping[DeliveryMode, Gateway] | Gateway,
    **more: Any,
) -> Runtime:
    """Return a runtime with these gateways; a single gateway serves all its modes."""
    if isinstance(gateways, Gateway):
        gateways = dict.fromkeys(sorted(gateways.modes), gateways)
    fixed: dict[str, Any] = {"chance": lambda: 0.0, "sleep": clock.sleep} | more
    return Runtime(database=database, gateways=gateways, clock=clock, **fixed)


# The log


def people(count: int, *devices: Callable[[int], log.Fields]) -> list[log.Fields]:
    """Return `count` recipients with these devices; each device function gets the person's number."""
    return [
        log.recipient(f"p{number}", *(device(number) for device in devices), name=f"P {number}")
        for number in range(count)
    ]


def number_of(person: int) -> str:
    """Return the person's own phone number."""
    return f"+1612555{person:04d}"


def call(person: int) -> log.Fields:
    return log.voice(number_of(person))


def text_to(person: int) -> log.Fields:
    return log.text(number_of(person))


def mail(person: int) -> log.Fields:
    return log.email(f"p{person}@nomail.example")


class Event(NamedTuple):
    """An event of a delivery."""

    status: DeliveryStatus
    call_status: int | None
    source: EventSource
    detail: str | None


By = Runtime | Mapping[DeliveryMode, Gateway] | Gateway | None
"""Whose gateways work: a runtime's, these, or by default the world's."""


class World:
    """One log, with a clock that stands at noon, a fake gateway, and a runtime of both."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = Clock()
        self.gateway = self.use(FakeGateway())

    def use(self, gateway: Fake) -> Fake:
        """Have the runtime use this gateway from now on, and return it."""
        self.gateway = gateway
        self.runtime = self.runtime_of(gateway)
        return gateway

    def runtime_of(
        self, gateways: Mapping[DeliveryMode, Gateway] | Gateway, **more: Any
    ) -> Runtime:
        """Return another runtime for this log and clock."""
        return runtime_of(self.database, self.clock, gateways, **more)

    def _runtime(self, by: By) -> Runtime:
        if by is None:
            return self.runtime
        return by if isinstance(by, Runtime) else self.runtime_of(by)

    async def load(
        self,
        recipients: Iterable[log.Fields],
        *,
        id: str = "M-1",
        call_window: tuple[str, str] | None = None,
        scheduled_at: datetime = NOON,
        now: datetime = NOON,
    ) -> int:
        """Import a message to be sent, and return its number."""
        await log.load(
            self.database,
            log.district(call_window=call_window),
            log.message(id, recipients, status=None, school=None, scheduled_at=scheduled_at),
            now=now,
        )
        return (await log.message_ids(self.database))[id]

    # Working

    async def work(self, by: By = None, *, rounds: int = 1) -> int:
        """Start due messages and run all jobs, `rounds` times. Return the number of handled deliveries."""
        runtime, handled = self._runtime(by), 0
        for _ in range(rounds):
            await start_due(runtime)
            for job in await find_jobs(runtime):
                handled += await run_job(runtime, job)
        return handled

    async def settle(self, by: By = None) -> int:
        """End every lease, as if its time had passed, and settle the claims."""
        await self.lapse()
        return await settle_lapsed(self._runtime(by))

    async def lapse(self) -> None:
        """End every lease."""
        async with self.database.writing() as connection:
            await connection.execute(
                update(DELIVERY)
                .where(DELIVERY.c.claim.is_not(None))
                .values(lease_until=datetime(2000, 1, 1, tzinfo=NOON.tzinfo))
            )

    async def let_go(self) -> None:
        """End every hold on a provider, as if its time had passed: holds use the database's clock."""
        async with self.database.writing() as connection:
            await connection.execute(PACE.delete())

    async def cancel(self, message_id: int) -> None:
        """Cancel a message that was not canceled, now."""
        async with self.database.writing() as connection:
            done = await cancel(
                connection,
                message_id,
                database=self.database,
                by_id="u",
                by_name="U",
                reason=None,
                now=self.clock.now,
            )
        assert done == CanceledMessage(is_new=True)

    # Reading the rows

    async def deliveries(self, message_id: int) -> list[LiveDelivery]:
        """Return all deliveries of a message in the order of the list."""
        statement = (
            select(*COLUMNS)
            .where(DELIVERY.c.message_id == message_id)
            .order_by(DELIVERY.c.recipient_number, DELIVERY.c.number)
        )
        async with self.database.reading() as connection:
            return [LiveDelivery(*row) for row in await connection.execute(statement)]

    async def one(self, message_id: int) -> LiveDelivery:
        """Return the only delivery of a message."""
        (delivery,) = await self.deliveries(message_id)
        return delivery

    async def statuses(self, message_id: int) -> dict[str, int]:
        """Count the deliveries of a message by status, duplicates included."""
        return dict(Counter(d.status.value for d in await self.deliveries(message_id)))

    async def message(self, message_id: int) -> Any:
        """Return the row of a message."""
        async with self.database.reading() as connection:
            return (
                await connection.execute(select(MESSAGE).where(MESSAGE.c.id == message_id))
            ).one()

    async def status(self, message_id: int) -> MessageStatus:
        """Return the status of a message."""
        value: MessageStatus = (await self.message(message_id)).status
        return value

    async def events(self, key: DeliveryKey) -> list[Event]:
        """Return the events of a delivery in the order in which they were written."""
        columns = DELIVERY_EVENT.c
        statement = (
            select(columns.status, columns.call_status, columns.source, columns.detail)
            .where(
                columns.message_id == key.message_id,
                columns.recipient_number == key.recipient_number,
                columns.delivery_number == key.number,
            )
            .order_by(columns.id)
        )
        async with self.database.reading() as connection:
            return [Event(*row) for row in await connection.execute(statement)]

    async def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all rows of the tables that delivery changes, to show that a refusal changes nothing."""
        tables = (MESSAGE, DELIVERY, DELIVERY_EVENT, RECIPIENT, TALLY, SPAN, CANCELLATION)
        contents: dict[str, list[tuple[Any, ...]]] = {}
        async with self.database.reading() as connection:
            for table in tables:
                rows = await connection.execute(select(table).order_by(*table.primary_key.columns))
                contents[table.name] = [tuple(row) for row in rows]
        return contents

    async def recount(self, message_id: int | None = None) -> None:
        """Fail unless every figure of every message, or of one message, matches its rows."""
        await recount(self.database, message_id)

    async def columns_of(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of an SQL statement."""
        async with self.database.reading() as connection:
            return [tuple(row) for row in await connection.execute(text(statement))]
