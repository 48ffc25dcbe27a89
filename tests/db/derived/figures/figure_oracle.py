"""A log that changes at random, and its figures counted from the rows of deliveries."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from db.connect.database import Database
from db.derived.figures.figure_rows import FigureRecord, find_figures
from db.derived.figures.figure_statements import FigureQuery
from db.dispatch import changes, in_flight
from db.dispatch.cancel import cancel
from db.dispatch.changes import Change
from db.dispatch.in_flight import COLUMNS, LiveDelivery
from db.log.visibility import Visibility
from db.search.criteria import Criteria
from db.tables.log import DELIVERY, DELIVERY_EVENT, MESSAGE
from delivery.upkeep.figure_sums import sum_changed_days
from domain.figures import SPANS, DayRange, FigureDimension
from domain.message import Source
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus
from tests.log import NOON, device, load, message, recipient

SCHOOLS: Final = (None, "east", "west")
TYPES: Final = (("BEHAVIOR", "Behavior"), ("LUNCH", "Lunch"))
FIRST: Final = date(2019, 12, 20)
LAST: Final = date(2020, 2, 10)
ZONE: Final = ZoneInfo("America/Chicago")
OUTCOMES: Final = (DeliveryStatus.DELIVERED, DeliveryStatus.SENT, DeliveryStatus.FAILED)
ADDRESSES: Final = {
    DeliveryMode.INBOX: ("ann", "ben"),
    DeliveryMode.EMAIL: ("ann@nomail.example", "ben@nomail.example"),
    DeliveryMode.VOICE: ("+16125550100", "+16125550101"),
    DeliveryMode.TEXT: ("+16125550100", "+16125550101"),
}

modes = st.sampled_from(DeliveryMode)
statuses = st.sampled_from(DeliveryStatus)
gateways = st.sampled_from([None, "smtp", "twilio"])


class Import(NamedTuple):
    """A message comes in."""

    hours: int
    school: str | None
    type: tuple[str, str]
    sender: str
    devices: Sequence[tuple[DeliveryMode, int, DeliveryStatus]]
    is_recorded: bool
    starts_in: int
    """Hours after now at which a scheduler starts it; 0: nothing hides it."""


class Move(NamedTuple):
    """A delivery of a message changes, as by a handover, a receipt or a resend."""

    message: int
    delivery: int
    status: DeliveryStatus
    gateway: str | None
    seconds: int


class Cancel(NamedTuple):
    """A message is canceled."""

    message: int


class Purge(NamedTuple):
    """The deliveries of a message are removed."""

    message: int


class SumDays(NamedTuple):
    """The background task runs."""


class Wait(NamedTuple):
    """Time passes."""

    hours: int


Step = Import | Move | Cancel | Purge | SumDays | Wait

imports = st.builds(
    Import,
    st.integers(-42 * 24, 10 * 24),
    st.sampled_from(SCHOOLS),
    st.sampled_from(TYPES),
    st.sampled_from(["u1", "u2"]),
    st.lists(st.tuples(modes, st.integers(0, 1), statuses), max_size=5),
    st.booleans(),
    st.sampled_from([0, 0, 0, 5]),
)
moves = st.builds(
    Move, st.integers(0, 9), st.integers(0, 9), statuses, gateways, st.integers(-5, 90_000)
)
steps = st.lists(
    st.one_of(
        imports,
        imports,
        moves,
        moves,
        st.builds(Cancel, st.integers(0, 9)),
        st.builds(Purge, st.integers(0, 9)),
        st.builds(SumDays),
        st.builds(Wait, st.integers(0, 12)),
    ),
    min_size=1,
    max_size=14,
)


@st.composite
def groups(draw: st.DrawFn) -> Sequence[FigureDimension]:
    span = draw(st.sampled_from([None, *sorted(SPANS)]))
    others = [one for one in FigureDimension if one not in SPANS]
    chosen = draw(st.lists(st.sampled_from(others), unique=True, max_size=4))
    return [*([] if span is None else [span]), *chosen]


class Log:
    """A log that plays steps, and remembers the deliveries that a purge removes."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOON
        self.ids: list[int] = []
        self.purged: list[LiveDelivery] = []

    async def play(self, step: Step) -> None:
        if isinstance(step, Import):
            await self._import(step)
        elif isinstance(step, SumDays):
            await sum_changed_days(self.database, now=self.now)
        elif isinstance(step, Wait):
            self.now += timedelta(hours=step.hours)
        elif step.message < len(self.ids):
            message_id = self.ids[step.message]
            async with self.database.writing() as connection:
                if isinstance(step, Cancel):
                    await cancel(
                        connection,
                        message_id,
                        database=self.database,
                        by_id=None,
                        by_name=None,
                        reason=None,
                        now=self.now,
                    )
                elif isinstance(step, Move):
                    await self._move(connection, message_id, step)
                else:
                    await self._purge(connection, message_id)

    async def _import(self, step: Import) -> None:
        listed = [
            recipient(
                f"p{place}",
                device(
                    mode,
                    ADDRESSES[mode][address],
                    status=status if step.is_recorded else None,
                ),
            )
            for place, (mode, address, status) in enumerate(step.devices)
        ]
        created = NOON + timedelta(hours=step.hours)
        hides = step.starts_in > 0
        await load(
            self.database,
            message(
                f"M-{len(self.ids)}",
                listed,
                school=step.school,
                type=step.type,
                sender=(step.sender, f"Name of {step.sender}"),
                created_at=created,
                scheduled_at=max(created, self.now + timedelta(hours=step.starts_in)),
                source=Source.SCHEDULER if hides else Source.TEMPLATE,
                status=MessageStatus.SENT if step.is_recorded else None,
            ),
        )
        async with self.database.reading() as connection:
            statement = select(MESSAGE.c.id).order_by(MESSAGE.c.id)
            self.ids = list(await connection.scalars(statement))

    async def _move(self, connection: Any, message_id: int, step: Move) -> None:
        locked = await in_flight.lock(connection, message_id)
        rows = await self._deliveries(connection, message_id)
        firsts = [row for row in rows if not row.is_duplicate]
        if locked is None or step.delivery >= len(firsts):
            return
        before = firsts[step.delivery]
        after = before._replace(
            status=step.status,
            gateway=step.gateway,
            handed_at=None if step.gateway is None else self.now,
            at=self.now + timedelta(seconds=step.seconds),
            attempts=1,
        )
        change = Change(before, after, EventSource.CALLBACK, None)
        await changes.write(connection, locked, [change], now=self.now)

    async def _purge(self, connection: Any, message_id: int) -> None:
        self.purged += await self._deliveries(connection, message_id)
        for table in (DELIVERY_EVENT, DELIVERY):
            await connection.execute(delete(table).where(table.c.message_id == message_id))
        await connection.execute(
            update(MESSAGE).where(MESSAGE.c.id == message_id).values(purged_at=self.now)
        )

    async def _deliveries(self, connection: Any, message_id: int) -> list[LiveDelivery]:
        statement = select(*COLUMNS).where(DELIVERY.c.message_id == message_id)
        order = (DELIVERY.c.recipient_number, DELIVERY.c.number)
        return [LiveDelivery(*row) for row in await connection.execute(statement.order_by(*order))]

    async def rows(self) -> list[tuple[Any, LiveDelivery]]:
        """Every delivery that counts, with its message."""
        async with self.database.reading() as connection:
            messages = {row.id: row for row in await connection.execute(select(MESSAGE))}
            deliveries = [LiveDelivery(*row) for row in await connection.execute(select(*COLUMNS))]
        return [
            (messages[row.message_id], row)
            for row in [*deliveries, *self.purged]
            if not row.is_duplicate
        ]


def span_of(day: date, dimension: FigureDimension) -> date:
    if dimension is FigureDimension.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if dimension is FigureDimension.MONTH else day


def day_of(row: Any) -> date:
    created: datetime = row.created_at
    return created.astimezone(ZONE).date()


VALUES: Final[Mapping[FigureDimension, Callable[[Any, LiveDelivery], Any]]] = {
    **{
        span: lambda message, delivery, span=span: span_of(day_of(message), span)  # type: ignore[misc]
        for span in SPANS
    },
    FigureDimension.SCHOOL: lambda message, delivery: message.school_id,
    FigureDimension.TYPE: lambda message, delivery: message.type_code,
    FigureDimension.SENDER: lambda message, delivery: message.sender_id,
    FigureDimension.MODE: lambda message, delivery: delivery.mode,
    FigureDimension.PROVIDER: lambda message, delivery: delivery.gateway,
}


def shown(record: FigureRecord, group_by: Sequence[FigureDimension]) -> tuple[Any, ...]:
    """The dimensions of a record."""
    of = {
        FigureDimension.SCHOOL: record.school_id,
        FigureDimension.TYPE: record.type_code,
        FigureDimension.SENDER: record.sender_id,
        FigureDimension.MODE: record.mode,
        FigureDimension.PROVIDER: record.provider,
    } | dict.fromkeys(SPANS, record.first_day)
    return tuple(of[dimension] for dimension in group_by)


def check_record(record: FigureRecord, group: Sequence[LiveDelivery]) -> None:
    """Check the figures of one group against its deliveries."""
    counts = [row.status for row in group]
    outcomes = sum(counts.count(status) for status in OUTCOMES)
    assert record.messages == len({row.message_id for row in group})
    assert record.deliveries == len(group)
    assert record.delivered == counts.count(DeliveryStatus.DELIVERED)
    assert record.sent == counts.count(DeliveryStatus.SENT)
    assert record.failed == counts.count(DeliveryStatus.FAILED)
    assert record.canceled == counts.count(DeliveryStatus.CANCELED)
    assert record.opted_out == counts.count(DeliveryStatus.OPTED_OUT)
    assert record.pending == len(group) - outcomes - record.canceled - record.opted_out
    assert record.failure_rate == (record.failed / outcomes if outcomes >= 20 else None)
    delays = sorted(
        max(0.0, (row.at - row.handed_at).total_seconds())
        for row in group
        if row.status in OUTCOMES and row.at is not None and row.handed_at is not None
    )
    if not delays:
        assert record.median_seconds is None
        return
    assert record.median_seconds is not None
    exact = delays[(len(delays) - 1) // 2]
    assert abs(record.median_seconds - exact) <= exact / 10 + 1e-6


def query_of(
    seen: Visibility, days: DayRange, group_by: Sequence[FigureDimension], **more: Any
) -> FigureQuery:
    begin = datetime(days.first.year, days.first.month, days.first.day, tzinfo=ZONE)
    after = days.last + timedelta(days=1)
    end = datetime(after.year, after.month, after.day, tzinfo=ZONE)
    criteria = Criteria(begin.astimezone(UTC), end.astimezone(UTC), **more)
    return FigureQuery(days, criteria, seen, group_by)


async def figures(database: Database, query: FigureQuery) -> Sequence[FigureRecord]:
    async with database.snapshot() as connection:
        found = await find_figures(connection, query, with_medians=True)
    assert found.total == len(found.rows)
    return found.rows


filters = st.fixed_dictionaries(
    {},
    optional={
        "types": st.sampled_from([("BEHAVIOR",), ("LUNCH", "NONE"), ()]),
        "district_wide": st.booleans(),
        "sender": st.sampled_from(["name of u1"]),
    },
)


def passes(row: Any, chosen: Mapping[str, Any]) -> bool:
    return (
        ("types" not in chosen or row.type_code in chosen["types"])
        and ("district_wide" not in chosen or chosen["district_wide"] == (row.school_id is None))
        and ("sender" not in chosen or chosen["sender"] in row.sender_key)
    )
