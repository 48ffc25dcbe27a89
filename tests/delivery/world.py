"""Tools for tests of delivery: a manual clock, a fake gateway, and readers of the rows.

`recount` checks every stored figure against the rows.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, select, text, update

from db.connect.database import Database
from db.dispatch.in_flight import COLUMNS, LiveDelivery
from db.log.counters import NO_CODE
from db.log.deliveries import DeliveryKey
from db.tables.log import CANCELLATION, DELIVERY, DELIVERY_EVENT, MESSAGE, RECIPIENT, SPAN, TALLY
from db.tables.operations import PACE
from delivery.dispatch.due_work import find_jobs, run_job, start_due
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.settlement import settle_lapsed
from delivery.gateways.base import Accepted, Finding, Handover, NotAtProvider, Outcome, Unavailable
from delivery.gateways.port import Gateway, Passage
from domain.counting import is_reached
from domain.modes import PHONE_MODES
from domain.status import (
    OPEN,
    DeliveryMode,
    DeliveryStatus,
    EventSource,
    MessageStatus,
)
from tests import log
from tests.log import NOON

ALL_MODES: Final = frozenset(DeliveryMode)
LEFT: Final = (DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED)


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


async def load(
    database: Database,
    recipients: Iterable[log.Fields],
    *,
    id: str = "M-1",
    call_window: tuple[str, str] | None = None,
    scheduled_at: datetime = NOON,
    now: datetime = NOON,
) -> int:
    """Import a message to be sent, and return its number."""
    await log.load(
        database,
        log.district(call_window=call_window),
        log.message(id, recipients, status=None, school=None, scheduled_at=scheduled_at),
        now=now,
    )
    return (await log.message_ids(database))[id]


# Working


async def work(runtime: Runtime, *, rounds: int = 1) -> int:
    """Start due messages and run all jobs, `rounds` times. Return the number of handled deliveries."""
    handled = 0
    for _ in range(rounds):
        await start_due(runtime)
        for job in await find_jobs(runtime):
            handled += await run_job(runtime, job)
    return handled


async def settle(runtime: Runtime) -> int:
    """End every lease, as if its time had passed, and settle the claims."""
    await lapse(runtime.database)
    return await settle_lapsed(runtime)


async def lapse(database: Database) -> None:
    """End every lease."""
    async with database.writing() as connection:
        await connection.execute(
            update(DELIVERY)
            .where(DELIVERY.c.claim.is_not(None))
            .values(lease_until=datetime(2000, 1, 1, tzinfo=NOON.tzinfo))
        )


async def let_go(database: Database) -> None:
    """End every hold on a provider, as if its time had passed: holds use the database's clock."""
    async with database.writing() as connection:
        await connection.execute(PACE.delete())


# Reading the rows


class Event(NamedTuple):
    """An event of a delivery."""

    status: DeliveryStatus
    call_status: int | None
    source: EventSource
    detail: str | None


async def deliveries(database: Database, message_id: int) -> list[LiveDelivery]:
    """Return all deliveries of a message in the order of the list."""
    statement = (
        select(*COLUMNS)
        .where(DELIVERY.c.message_id == message_id)
        .order_by(DELIVERY.c.recipient_number, DELIVERY.c.number)
    )
    async with database.reading() as connection:
        return [LiveDelivery(*row) for row in await connection.execute(statement)]


async def one(database: Database, message_id: int) -> LiveDelivery:
    """Return the only delivery of a message."""
    (delivery,) = await deliveries(database, message_id)
    return delivery


async def statuses(database: Database, message_id: int) -> dict[str, int]:
    """Count the deliveries of a message by status, duplicates included."""
    return dict(Counter(d.status.value for d in await deliveries(database, message_id)))


async def message(database: Database, message_id: int) -> Any:
    """Return the row of a message."""
    async with database.reading() as connection:
        return (await connection.execute(select(MESSAGE).where(MESSAGE.c.id == message_id))).one()


async def status(database: Database, message_id: int) -> MessageStatus:
    """Return the status of a message."""
    value: MessageStatus = (await message(database, message_id)).status
    return value


async def events(database: Database, key: DeliveryKey) -> list[Event]:
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
    async with database.reading() as connection:
        return [Event(*row) for row in await connection.execute(statement)]


async def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of the tables that delivery changes, to show that a refusal changes nothing."""
    tables = (MESSAGE, DELIVERY, DELIVERY_EVENT, RECIPIENT, TALLY, SPAN, CANCELLATION)
    contents: dict[str, list[tuple[Any, ...]]] = {}
    async with database.reading() as connection:
        for table in tables:
            rows = await connection.execute(select(table).order_by(*table.primary_key.columns))
            contents[table.name] = [tuple(row) for row in rows]
    return contents


async def recount(database: Database, message_id: int | None = None) -> None:
    """Fail unless every figure of every message, or of one message, matches its rows."""
    async with database.reading() as connection:

        async def of(table: Table) -> list[Any]:
            all_rows = await connection.execute(select(table))
            key = "id" if table is MESSAGE else "message_id"
            return [row for row in all_rows if message_id in (None, getattr(row, key))]

        rows = [
            LiveDelivery(*(getattr(row, name) for name in LiveDelivery._fields))
            for row in await of(DELIVERY)
        ]
        lists = await of(RECIPIENT)
        messages = await of(MESSAGE)
        tallies = await of(TALLY)
        cancellations = await of(CANCELLATION)
        spans = await of(SPAN)
    assert {(*row[:-1],): row.deliveries for row in tallies if row.deliveries} == Counter(
        (
            row.message_id,
            row.mode,
            row.status,
            NO_CODE if row.call_status is None else row.call_status,
            row.is_duplicate,
        )
        for row in rows
    )
    assert all(row.deliveries >= 0 for row in tallies)
    _recount_duplicates(rows)
    _recount_people(rows, lists, messages)
    firsts = [row for row in rows if not row.is_duplicate]
    for one_message in messages:
        mine = [row for row in firsts if row.message_id == one_message.id]
        assert one_message.has_open == any(row.status in OPEN for row in mine)
        if one_message.status is MessageStatus.SENT:
            assert not one_message.has_open
    for cancellation in cancellations:
        mine = [row for row in firsts if row.message_id == cancellation.message_id]
        # A delivery that failed before its first attempt had not left.
        counts = Counter(
            row.status for row in mine if row.attempts or row.status is not DeliveryStatus.FAILED
        )
        assert cancellation.stopped == (
            counts[DeliveryStatus.CANCELED] + counts[DeliveryStatus.PENDING]
        )
        assert cancellation.already_sent == (
            sum(counts[status] for status in LEFT) + counts[DeliveryStatus.IN_PROGRESS]
        )
        assert (cancellation.completed_at is None) == any(row.status in OPEN for row in mine)
    latest: dict[tuple[int, DeliveryMode], datetime] = {}
    for row in firsts:
        if row.status in LEFT and row.at is not None and row.attempts:
            key = (row.message_id, row.mode)
            latest[key] = max(latest.get(key, row.at), row.at)
    assert {
        (span.message_id, span.mode): span.ended_at for span in spans if span.ended_at is not None
    } == latest


def _recount_duplicates(rows: Sequence[LiveDelivery]) -> None:
    """Check that a duplicate has the state of the first delivery to its address."""
    firsts = {
        (row.message_id, row.mode, row.address_id): row for row in rows if not row.is_duplicate
    }
    for row in rows:
        if row.is_duplicate:
            first = firsts[row.message_id, row.mode, row.address_id]
            assert (row.status, row.call_status, row.confirmed, row.at) == (
                first.status,
                first.call_status,
                first.confirmed,
                first.at,
            )
            assert row.attempts == 0
            assert row.claim is None


def _recount_people(
    rows: Sequence[LiveDelivery], lists: Sequence[Any], messages: Sequence[Any]
) -> None:
    """Check that exactly the people with a reached number count as contacted, by any delivery to that number."""
    hit = {
        (row.message_id, row.address_id)
        for row in rows
        if row.mode in PHONE_MODES and is_reached(row.call_status, row.confirmed)
    }
    person_of = {(row.message_id, row.number): row.person_id for row in lists}
    contacted = {
        (row.message_id, person_of[row.message_id, row.recipient_number])
        for row in rows
        if row.mode in PHONE_MODES and (row.message_id, row.address_id) in hit
    }
    for row in lists:
        assert row.contacted == ((row.message_id, row.person_id) in contacted)
    for one_message in messages:
        assert one_message.people_contacted == len(
            {person for message_id, person in contacted if message_id == one_message.id}
        )


async def columns_of(database: Database, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of an SQL statement."""
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]
