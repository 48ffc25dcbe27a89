"""Messages and deliveries while they are under way, as dispatcher, receipts, refresh and cancel find them.

Who decides what becomes of them is in `delivery`; how a change is written, with all that follows from it, in
`db.dispatch.changes`; which of them are to be looked at, in `db.dispatch.due`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import and_, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.log.deliveries import DeliveryKey
from db.sql.clock import clock
from db.sql.key_lists import any_of, pairs_of, text_any_of
from db.sql.upsert import insert_into
from db.tables.log import ADDRESS, CONTENT, DELIVERY, DISTRICT, MESSAGE
from domain.addresses import AddressKind, InvalidAddress, normalise
from domain.call_window import CallWindow
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
    locked_at: datetime
    """When it was asked for, by the clock of the database: leases are counted from here."""


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
    resends: int = 0
    """How often it was sent again on demand: part of its name at the provider (`delivery.dispatch.delivery_names`)."""
    copies: int = 0
    """Of how many of its sendings since then nobody can tell whether they arrived."""

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


class Terms(NamedTuple):
    """For whom a message is delivered, by the id that others know, and when that district lets calls be placed."""

    district: str
    call_window: CallWindow | None
    """None: at any time."""


_MESSAGE: Final = tuple(MESSAGE.c[field] for field in LiveMessage._fields if field != "locked_at")
_OTHER: Final = ADDRESS.alias("other")
_SAME: Final = (_OTHER, _OTHER.c.id == ADDRESS.c.same_as)
_KEY: Final = func.coalesce(_OTHER.c.key, ADDRESS.c.key)
"""What is handed over: the key of an address, or of the one that it was found to be."""

COLUMNS: Final = tuple(DELIVERY.c[field] for field in LiveDelivery._fields)
"""What a `LiveDelivery` is made of."""


LONGEST_IDLE: Final = "30s"
"""How long PostgreSQL lets a transaction with a lock do nothing; then it ends the transaction.

A process on a busy machine may need seconds between two statements. A cancel does not wait for so long: `db.connect.blockers`.
"""


async def lock(
    connection: AsyncConnection, message_id: int, *, though_purged: bool = False
) -> LiveMessage | None:
    """The message, which nobody else changes until the transaction ends; None where there is none.

    One that was purged is as good as none to whoever works on deliveries: there are none, or soon will be.

    All that change its deliveries take this first, and of one message only: so they never wait for each other in a circle.
    """
    statement = (
        select(*_MESSAGE, clock(connection))
        .where(MESSAGE.c.id == message_id)
        # Its key stays: rows that merely refer to the message need not wait.
        .with_for_update(key_share=True)
    )
    if not though_purged:
        statement = statement.where(MESSAGE.c.purged_at.is_(None))
    if connection.dialect.name == "postgresql":
        patience = func.set_config("idle_in_transaction_session_timeout", LONGEST_IDLE, True)
        statement = statement.add_columns(patience)
    row = (await connection.execute(statement)).first()
    return None if row is None else LiveMessage._make(row[: len(LiveMessage._fields)])


async def status(connection: AsyncConnection, message_id: int) -> MessageStatus | None:
    """Where a message stands, as far as that is known without the lock; None where there is none with this id."""
    found: MessageStatus | None = await connection.scalar(
        select(MESSAGE.c.status).where(MESSAGE.c.id == message_id)
    )
    return found


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


async def terms(connection: AsyncConnection, message_id: int) -> Terms | None:
    """The terms of a message; None where there is none with this id."""
    statement = (
        select(
            DISTRICT.c.external_id,
            DISTRICT.c.call_from,
            DISTRICT.c.call_until,
            DISTRICT.c.time_zone,
        )
        .join(MESSAGE, MESSAGE.c.district_id == DISTRICT.c.id)
        .where(MESSAGE.c.id == message_id)
    )
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    return Terms(row[0], None if row[1] is None else CallWindow(*row[1:]))


async def by_key(
    connection: AsyncConnection, keys: Sequence[DeliveryKey]
) -> Sequence[LiveDelivery]:
    """The deliveries with these keys. Locked only as far as their messages are."""
    wanted = set(keys)
    pairs = sorted({key[:2] for key in wanted})
    statement = select(*COLUMNS).where(
        pairs_of(DELIVERY.c.message_id, DELIVERY.c.recipient_number, pairs)
    )
    found = (LiveDelivery(*row) for row in await connection.execute(statement))
    return [delivery for delivery in found if delivery.key in wanted]


async def by_reference_and_address(
    connection: AsyncConnection, gateway: str, references: Sequence[str], addresses: Sequence[str]
) -> Sequence[tuple[LiveDelivery, str]]:
    """The deliveries that a provider knows by these ids and that went to one of these addresses, each with its normalised address.

    A thousand emails share one id. A call has one of its own, and `addresses` may lack its extension: so phones are all given.
    """
    if not references:
        return []
    went_there = or_(ADDRESS.c.kind == AddressKind.PHONE, text_any_of(_KEY, addresses))
    statement = (
        select(*COLUMNS, _KEY)
        .select_from(
            DELIVERY.join(ADDRESS, ADDRESS.c.id == DELIVERY.c.address_id).outerjoin(*_SAME)
        )
        .where(
            DELIVERY.c.gateway == gateway,
            DELIVERY.c.reference.is_not(None),  # as the index says
            text_any_of(DELIVERY.c.reference, references),
            went_there,
        )
    )
    rows = await connection.execute(statement)
    return [(LiveDelivery(*row[:-1]), row[-1]) for row in rows]


async def open_with_provider(
    connection: AsyncConnection, message_id: int, *, after: DeliveryKey | None, most: int
) -> Sequence[LiveDelivery]:
    """Deliveries of a message that a provider has and whose outcome may still change, in the order of their keys."""
    statement = select(*COLUMNS).where(
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


class Target(NamedTuple):
    """What an address is to a provider."""

    key: str
    """What is handed over: the normalized address, not what is shown."""
    is_readable: bool
    """False: nothing is ever sent to it."""
    opted_out: bool
    """It takes no texts."""
    same_as: int | None = None
    """The address that it was found to be, to which other deliveries of the same message go."""


async def targets(connection: AsyncConnection, address_ids: Collection[int]) -> dict[int, Target]:
    """What these addresses are to a provider, by their ids."""
    if not address_ids:
        return {}
    statement = (
        select(
            ADDRESS.c.id,
            _KEY,
            func.coalesce(_OTHER.c.is_readable, ADDRESS.c.is_readable),
            or_(ADDRESS.c.opted_out_at.is_not(None), _OTHER.c.opted_out_at.is_not(None)),
            ADDRESS.c.same_as,
        )
        .select_from(ADDRESS.outerjoin(*_SAME))
        .where(any_of(ADDRESS.c.id, sorted(address_ids)))
    )
    return {row[0]: Target(*row[1:]) for row in await connection.execute(statement)}


async def repeats(
    connection: AsyncConnection, deliveries: Mapping[DeliveryKey, tuple[DeliveryMode, int]]
) -> set[DeliveryKey]:
    """Those of these deliveries of one message, each given with its mode and the address that its own was found to be, for
    which another delivery to the same address is sent.

    Only deliveries that came in before addresses were read at their ingest have one. They are no duplicates: the marks of
    the log stay as they were.
    """
    message_id = next(iter(deliveries)).message_id
    originals = sorted({address_id for _, address_id in deliveries.values()})
    family = ADDRESS.alias("family")
    same = func.coalesce(family.c.same_as, family.c.id)
    statement = (
        select(
            DELIVERY.c.message_id,
            DELIVERY.c.recipient_number,
            DELIVERY.c.number,
            DELIVERY.c.mode,
            same,
        )
        .select_from(DELIVERY.join(family, family.c.id == DELIVERY.c.address_id))
        .where(
            DELIVERY.c.message_id == message_id,
            ~DELIVERY.c.is_duplicate,
            or_(any_of(family.c.id, originals), any_of(family.c.same_as, originals)),
        )
        # The one to the address itself is sent: at its claim nobody asks whether it has a repeat.
        .order_by(family.c.same_as.is_not(None), DELIVERY.c.recipient_number, DELIVERY.c.number)
    )
    firsts: dict[tuple[DeliveryMode, int], DeliveryKey] = {}
    for row in await connection.execute(statement):
        firsts.setdefault((row[3], row[4]), DeliveryKey(*row[:3]))
    return {key for key, place in deliveries.items() if firsts[place] != key}


async def set_opted_out(connection: AsyncConnection, number: str, at: datetime | None) -> None:
    """Remember that a phone number takes no texts any more, or, without an instant, that it does again; in every district.

    `number` as a provider writes it, with its country code; what is not a number is nobody's. A number to which nothing was
    sent yet is remembered as well: the first message to it finds the address.
    """
    try:
        number = normalise(DeliveryMode.TEXT, number).key
    except InvalidAddress:
        return
    if at is None:
        await connection.execute(
            update(ADDRESS)
            .where(
                # Spelled out for the index, which begins with the district.
                ADDRESS.c.district_id.in_(select(DISTRICT.c.id)),
                ADDRESS.c.kind == AddressKind.PHONE,
                ADDRESS.c.key == number,
            )
            .values(opted_out_at=None)
        )
        return
    columns = ADDRESS.c["district_id", "kind", "key", "opted_out_at"]
    said = zip((AddressKind.PHONE, number, at), columns[1:], strict=True)
    everywhere = select(DISTRICT.c.id, *(literal(value, column.type) for value, column in said))
    # Ordered, or two of them could wait for each other.
    remember = insert_into(connection, ADDRESS).from_select(
        columns, everywhere.order_by(DISTRICT.c.id)
    )
    await connection.execute(
        remember.on_conflict_do_update(
            index_elements=columns[:3], set_={"opted_out_at": remember.excluded.opted_out_at}
        )
    )
