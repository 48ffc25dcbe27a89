"""Deliveries while they are under way: as the dispatcher claims them, and as receipts find them.

Who decides what becomes of them is in `delivery`; how a change is written, with all that follows from it, in
`db.changes`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, time, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.deliveries import DeliveryKey
from db.keys import any_of, pairs_of
from db.tables import ADDRESS, CONTENT, DELIVERY, DISTRICT, MESSAGE
from domain.addresses import AddressKind
from domain.message import BodyFormat
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus


class LiveMessage(NamedTuple):
    """A message that is being worked on, locked until the transaction ends."""

    id: int
    status: MessageStatus
    scheduled_at: datetime
    is_recorded: bool
    revision: int
    overdue_at: datetime | None
    refreshed_at: datetime | None
    has_open: bool


class LiveDelivery(NamedTuple):
    """A delivery that is being worked on."""

    message_id: int
    recipient_number: int
    number: int
    chunk: int
    mode: DeliveryMode
    address: str
    address_id: int
    is_duplicate: bool
    status: DeliveryStatus
    call_status: int | None
    confirmed: bool
    at: datetime | None
    attempts: int
    due_at: datetime | None
    first_at: datetime | None
    claim: str | None
    lease_until: datetime | None
    handed_at: datetime | None
    gateway: str | None
    reference: str | None

    @property
    def key(self) -> DeliveryKey:
        return DeliveryKey(*self[:3])


class LiveContent(NamedTuple):
    """What a message says, and in whose name."""

    subject: str
    body: str
    body_format: BodyFormat
    text_body: str | None
    voice_script: str | None
    reply_to: str | None
    sender_name: str
    district_name: str


_MESSAGE: Final = tuple(MESSAGE.c[field] for field in LiveMessage._fields)
_DELIVERY: Final = tuple(DELIVERY.c[field] for field in LiveDelivery._fields)


async def lock(connection: AsyncConnection, message_id: int) -> LiveMessage | None:
    """The message, which nobody else changes until the transaction ends: all that change its deliveries take this first."""
    statement = select(*_MESSAGE).where(MESSAGE.c.id == message_id).with_for_update()
    row = (await connection.execute(statement)).first()
    return None if row is None else LiveMessage(*row)


async def content(connection: AsyncConnection, message_id: int) -> LiveContent:
    """What a message says."""
    statement = (
        select(
            MESSAGE.c.subject,
            CONTENT.c.body,
            CONTENT.c.body_format,
            CONTENT.c.text_body,
            CONTENT.c.voice_script,
            CONTENT.c.reply_to,
            MESSAGE.c.sender_name,
            DISTRICT.c.name,
        )
        .join(CONTENT, CONTENT.c.message_id == MESSAGE.c.id)
        .join(DISTRICT, DISTRICT.c.id == MESSAGE.c.district_id)
        .where(MESSAGE.c.id == message_id)
    )
    return LiveContent(*(await connection.execute(statement)).one())


class CallWindow(NamedTuple):
    """Between which times calls are placed, on the wall clock of a zone."""

    opens: time
    closes: time
    time_zone: str


async def call_window(connection: AsyncConnection, message_id: int) -> CallWindow | None:
    """The call window of the district that sent a message; None where calls are placed at any time."""
    statement = (
        select(DISTRICT.c.call_from, DISTRICT.c.call_until, DISTRICT.c.time_zone)
        .join(MESSAGE, MESSAGE.c.district_id == DISTRICT.c.id)
        .where(MESSAGE.c.id == message_id)
    )
    row = (await connection.execute(statement)).one()
    return None if row[0] is None else CallWindow(*row)


async def pending(
    connection: AsyncConnection,
    message_id: int,
    chunk: int,
    *,
    modes: Collection[DeliveryMode],
    now: datetime,
) -> Sequence[LiveDelivery]:
    """The deliveries of a chunk that may be claimed now: pending, due, no duplicates, nobody's. The caller holds the lock."""
    statement = select(*_DELIVERY).where(
        DELIVERY.c.message_id == message_id,
        DELIVERY.c.chunk == chunk,
        DELIVERY.c.status == DeliveryStatus.PENDING,
        DELIVERY.c.claim.is_(None),
        DELIVERY.c.mode.in_(sorted(modes)),
        ~DELIVERY.c.is_duplicate,
        or_(DELIVERY.c.due_at.is_(None), DELIVERY.c.due_at <= now),
    )
    rows = await connection.execute(
        statement.order_by(DELIVERY.c.recipient_number, DELIVERY.c.number)
    )
    return [LiveDelivery(*row) for row in rows]


async def claim(
    connection: AsyncConnection, deliveries: Sequence[LiveDelivery], *, token: str, lease: timedelta
) -> Sequence[LiveDelivery]:
    """Claim deliveries until `lease` from now on the database's clock; those that were nobody's, as they are then."""
    return await _mark(connection, deliveries, DELIVERY.c.claim.is_(None), token=token, lease=lease)


async def renew(
    connection: AsyncConnection, deliveries: Sequence[LiveDelivery], *, token: str, lease: timedelta
) -> Sequence[LiveDelivery]:
    """Lengthen a claim; those that are still claimed by `token` and whose lease has not lapsed."""
    mine = and_(DELIVERY.c.claim == token, DELIVERY.c.lease_until > clock(connection))
    return await _mark(connection, deliveries, mine, token=token, lease=lease)


async def _mark(
    connection: AsyncConnection,
    deliveries: Sequence[LiveDelivery],
    free: ColumnElement[bool],
    *,
    token: str,
    lease: timedelta,
) -> Sequence[LiveDelivery]:
    if not deliveries:
        return []
    statement = (
        update(DELIVERY)
        .where(_these([delivery.key for delivery in deliveries]), free)
        .values(claim=token, lease_until=clock(connection, after=lease))
        .returning(*_DELIVERY)
    )
    found = {
        row.key: row for row in (LiveDelivery(*row) for row in await connection.execute(statement))
    }
    return [found[delivery.key] for delivery in deliveries if delivery.key in found]


async def claimed(
    connection: AsyncConnection, keys: Sequence[DeliveryKey], *, token: str
) -> Sequence[LiveDelivery]:
    """Those of these deliveries that `token` still has; what it lost, somebody else has settled."""
    rows = await connection.execute(
        select(*_DELIVERY).where(_these(keys), DELIVERY.c.claim == token)
    )
    return [LiveDelivery(*row) for row in rows]


async def release(connection: AsyncConnection, keys: Sequence[DeliveryKey], *, token: str) -> None:
    """Give up claims of `token` that came to nothing: nothing was handed over."""
    await connection.execute(
        update(DELIVERY)
        .where(_these(keys), DELIVERY.c.claim == token, DELIVERY.c.status == DeliveryStatus.PENDING)
        .values(claim=None, lease_until=None)
    )


async def take_over(
    connection: AsyncConnection, deliveries: Sequence[LiveDelivery], *, token: str, lease: timedelta
) -> Sequence[LiveDelivery]:
    """Claim deliveries whose lease has ended; those that nobody renewed, recorded or took over meanwhile."""
    free = and_(DELIVERY.c.claim.is_not(None), DELIVERY.c.lease_until <= clock(connection))
    return await _mark(connection, deliveries, free, token=token, lease=lease)


async def lapsed(connection: AsyncConnection, *, most: int) -> Sequence[LiveDelivery]:
    """Claimed deliveries whose lease is over on the database's clock, the oldest first."""
    statement = (
        select(*_DELIVERY)
        .where(DELIVERY.c.claim.is_not(None), DELIVERY.c.lease_until <= clock(connection))
        .order_by(DELIVERY.c.lease_until)
        .limit(most)
    )
    return [LiveDelivery(*row) for row in await connection.execute(statement)]


async def by_key(
    connection: AsyncConnection, keys: Sequence[DeliveryKey]
) -> Sequence[LiveDelivery]:
    """The deliveries with these keys. Locked only as far as their messages are."""
    return [
        LiveDelivery(*row)
        for row in await connection.execute(select(*_DELIVERY).where(_these(keys)))
    ]


async def by_reference(
    connection: AsyncConnection, gateway: str, references: Sequence[str]
) -> Sequence[LiveDelivery]:
    """The deliveries that a provider knows by these names."""
    statement = select(*_DELIVERY).where(
        DELIVERY.c.gateway == gateway, DELIVERY.c.reference.in_(list(references))
    )
    return [LiveDelivery(*row) for row in await connection.execute(statement)]


async def open_with_provider(
    connection: AsyncConnection, message_id: int, *, after: DeliveryKey | None, most: int
) -> Sequence[LiveDelivery]:
    """Deliveries of a message that a provider has and whose outcome may still change, in the order of their keys."""
    statement = select(*_DELIVERY).where(
        DELIVERY.c.message_id == message_id,
        DELIVERY.c.reference.is_not(None),
        DELIVERY.c.status.in_([DeliveryStatus.IN_PROGRESS, DeliveryStatus.SENT]),
    )
    if after is not None:
        place = or_(
            DELIVERY.c.recipient_number > after.recipient_number,
            and_(
                DELIVERY.c.recipient_number == after.recipient_number,
                DELIVERY.c.number > after.number,
            ),
        )
        statement = statement.where(place)
    rows = await connection.execute(
        statement.order_by(DELIVERY.c.recipient_number, DELIVERY.c.number).limit(most)
    )
    return [LiveDelivery(*row) for row in rows]


async def chunks_with_pending(
    connection: AsyncConnection, message_id: int, *, now: datetime
) -> Sequence[int]:
    """The chunks of a message in which something may be claimed now."""
    statement = (
        select(DELIVERY.c.chunk)
        .distinct()
        .where(
            DELIVERY.c.message_id == message_id,
            DELIVERY.c.status == DeliveryStatus.PENDING,
            DELIVERY.c.claim.is_(None),
            ~DELIVERY.c.is_duplicate,
            or_(DELIVERY.c.due_at.is_(None), DELIVERY.c.due_at <= now),
        )
        .order_by(DELIVERY.c.chunk)
    )
    return list(await connection.scalars(statement))


async def pending_of_chunk(
    connection: AsyncConnection, message_id: int, chunk: int
) -> Sequence[LiveDelivery]:
    """Every pending delivery of a chunk, claimed or not; the caller holds the lock. For a cancel, which stops them all."""
    statement = select(*_DELIVERY).where(
        DELIVERY.c.message_id == message_id,
        DELIVERY.c.chunk == chunk,
        DELIVERY.c.status == DeliveryStatus.PENDING,
        ~DELIVERY.c.is_duplicate,
    )
    return [LiveDelivery(*row) for row in await connection.execute(statement)]


async def pending_chunks(connection: AsyncConnection, message_id: int) -> Sequence[int]:
    """The chunks of a message in which anything is pending, claimed and not yet due as well."""
    statement = (
        select(DELIVERY.c.chunk)
        .distinct()
        .where(DELIVERY.c.message_id == message_id, DELIVERY.c.status == DeliveryStatus.PENDING)
        .order_by(DELIVERY.c.chunk)
    )
    return list(await connection.scalars(statement))


async def opted_out(connection: AsyncConnection, address_ids: Sequence[int]) -> set[int]:
    """Those of these addresses that asked for no more texts."""
    statement = select(ADDRESS.c.id).where(
        any_of(ADDRESS.c.id, address_ids), ADDRESS.c.opted_out_at.is_not(None)
    )
    return set(await connection.scalars(statement))


async def to_begin(connection: AsyncConnection, *, now: datetime, most: int) -> Sequence[int]:
    """The messages that wait and are due, the longest due first."""
    statement = (
        select(MESSAGE.c.id)
        .where(
            MESSAGE.c.status == MessageStatus.WAITING,
            ~MESSAGE.c.is_recorded,
            MESSAGE.c.scheduled_at <= now,
        )
        .order_by(MESSAGE.c.scheduled_at)
        .limit(most)
    )
    return list(await connection.scalars(statement))


async def is_newly_overdue(connection: AsyncConnection, message_id: int, *, now: datetime) -> bool:
    """Whether a message under way has outlasted its providers' time and does not say so yet."""
    statement = select(MESSAGE.c.id).where(
        MESSAGE.c.id == message_id,
        MESSAGE.c.status == MessageStatus.IN_PROGRESS,
        MESSAGE.c.overdue_at <= now,
    )
    return (await connection.execute(statement)).first() is not None


async def set_opted_out(connection: AsyncConnection, number: str, at: datetime | None) -> None:
    """Remember that a phone number takes no texts any more, or, without an instant, that it does again; in every district."""
    await connection.execute(
        update(ADDRESS)
        .where(ADDRESS.c.kind == AddressKind.PHONE, ADDRESS.c.key == number)
        .values(opted_out_at=at)
    )


async def under_way(connection: AsyncConnection) -> Sequence[tuple[int, MessageStatus]]:
    """The messages with open deliveries that have begun, canceled ones among them."""
    begun = [
        status
        for status in MessageStatus
        if status not in (MessageStatus.WAITING, MessageStatus.SENT)
    ]
    statement = (
        select(MESSAGE.c.id, MESSAGE.c.status)
        .where(MESSAGE.c.status.in_(begun), MESSAGE.c.has_open, ~MESSAGE.c.is_recorded)
        .order_by(MESSAGE.c.id)
    )
    return [(row.id, row.status) for row in await connection.execute(statement)]


def _these(keys: Sequence[DeliveryKey]) -> ColumnElement[bool]:
    """Whether a delivery is one of `keys`, which are of one message or few."""
    pairs = sorted({(key.message_id, key.recipient_number) for key in keys})
    numbers = sorted({key.number for key in keys})
    found = and_(
        pairs_of(DELIVERY.c.message_id, DELIVERY.c.recipient_number, pairs),
        any_of(DELIVERY.c.number, numbers),
    )
    if len(pairs) * len(numbers) == len(set(keys)):
        return found
    spelled = (
        DELIVERY.c.recipient_number * literal(1_000) + DELIVERY.c.number
    )  # a recipient has at most a thousand devices
    return and_(
        found, any_of(spelled, sorted({key.recipient_number * 1_000 + key.number for key in keys}))
    )


def clock(connection: AsyncConnection, *, after: timedelta = timedelta()) -> Any:
    """The database's own clock: all machines agree on it, whatever theirs say."""
    seconds = after.total_seconds()
    if connection.dialect.name == "sqlite":
        return func.strftime("%Y-%m-%d %H:%M:%f000", "now", f"{seconds:+.3f} seconds")
    return func.clock_timestamp() + text(f"interval '{seconds:.3f} seconds'")
