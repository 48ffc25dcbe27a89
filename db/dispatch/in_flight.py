"""Messages and deliveries in flight, as dispatcher, receipts, refresh and cancel read them.

`db.dispatch.due` finds those with work to do; `db.dispatch.changes` writes their changes.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, func, or_, select

from db.log.deliveries import DeliveryKey
from db.sql.clock import clock
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.key_lists import any_of, pairs_of, text_any_of
from db.tables.log import ADDRESS, CONTENT, DELIVERY, DISTRICT, MESSAGE
from domain.call_window import CallWindow
from domain.contact_problems import Fate, fate_of
from domain.message import BodyFormat
from domain.modes import AddressKind
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus


class LiveMessage(NamedTuple):
    """A message in flight, locked until the transaction ends."""

    id: int
    district_id: int
    school_id: int | None
    status: MessageStatus
    scheduled_at: datetime
    is_recorded: bool
    revision: int
    overdue_at: datetime | None
    refreshed_at: datetime | None
    has_open: bool
    locked_at: datetime
    """When the lock was requested, by the clock of the database; leases start here."""


class LiveDelivery(NamedTuple):
    """A delivery in flight."""

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
    """How often it was sent again on demand: part of its key at the provider (`delivery.dispatch.delivery_names`)."""
    copies: int = 0
    """The number of its sendings since then that may or may not have arrived."""
    failure: str | None = None
    """The provider's code of its failure (`domain.delivery_failures`)."""
    complained_at: datetime | None = None
    """When the receiver marked it as spam."""

    @property
    def fate(self) -> Fate | None:
        """What it says about its address; None for a duplicate."""
        if self.is_duplicate:
            return None
        return fate_of(
            self[:3],
            self.mode,
            self.status,
            at=self.at,
            call_status=self.call_status,
            confirmed=self.confirmed,
            provider=self.gateway,
            code=self.failure,
        )

    @property
    def key(self) -> DeliveryKey:
        return DeliveryKey(*self[:3])


class LiveContent(NamedTuple):
    """The texts of a message, its sender and its district."""

    subject: str
    body: str
    body_format: BodyFormat
    text_body: str | None
    voice_script: str | None
    reply_to: str | None
    sender_name: str
    district_name: str


class DeliveryTerms(NamedTuple):
    """The district of a message, by its external id, and when calls may be placed there."""

    district: str
    call_window: CallWindow | None
    """None: at any time."""


_MESSAGE: Final = tuple(MESSAGE.c[field] for field in LiveMessage._fields if field != "locked_at")
_OTHER: Final = ADDRESS.alias("other")
_SAME: Final = (_OTHER, _OTHER.c.id == ADDRESS.c.same_as)
_KEY: Final = func.coalesce(_OTHER.c.key, ADDRESS.c.key)
"""The key that is handed over: that of the address, or of the one of which it is another spelling."""

TERMS: Final = tuple(DISTRICT.c["external_id", "call_from", "call_until", "time_zone"])
"""The columns of `terms_of`."""

COLUMNS: Final = tuple(DELIVERY.c[LiveDelivery._fields])
"""The columns of a `LiveDelivery`."""


LONGEST_IDLE: Final = "30s"
"""How long PostgreSQL lets a transaction with a lock be idle before it ends it.

A process on a busy machine may need seconds between two statements. A cancel waits less: `db.connect.blockers`.
"""


async def lock(
    connection: WriteConnection, message_id: int, *, though_purged: bool = False
) -> LiveMessage | None:
    """Lock a message until the transaction ends and return it; None if it does not exist, or is purged unless `though_purged`.

    Every change of its deliveries acquires this lock first, and for one message only, so that no deadlock can occur.
    """
    statement = (
        select(*_MESSAGE, clock(connection))
        .where(MESSAGE.c.id == message_id)
        # The key does not change, so inserts that refer to the message need not wait.
        .with_for_update(key_share=True)
    )
    if not though_purged:
        statement = statement.where(MESSAGE.c.purged_at.is_(None))
    if connection.dialect.name == "postgresql":
        timeout = func.set_config("idle_in_transaction_session_timeout", LONGEST_IDLE, True)
        statement = statement.add_columns(timeout)
    row = (await connection.execute(statement)).first()
    return None if row is None else LiveMessage._make(row[: len(LiveMessage._fields)])


async def status(connection: ReadConnection, message_id: int) -> MessageStatus | None:
    """Return the status of a message, read without the lock; None if it does not exist."""
    value: MessageStatus | None = await connection.scalar(
        select(MESSAGE.c.status).where(MESSAGE.c.id == message_id)
    )
    return value


async def content(connection: ReadConnection, message_id: int) -> LiveContent:
    """Return the texts of a message."""
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


async def terms(connection: ReadConnection, message_id: int) -> DeliveryTerms | None:
    """Return the terms of a message; None if it does not exist."""
    statement = (
        select(*TERMS)
        .join(MESSAGE, MESSAGE.c.district_id == DISTRICT.c.id)
        .where(MESSAGE.c.id == message_id)
    )
    row = (await connection.execute(statement)).first()
    return None if row is None else terms_of(*row)


def terms_of(district: str, *window: Any) -> DeliveryTerms:
    """Return the terms for a row of `TERMS`."""
    return DeliveryTerms(district, None if window[0] is None else CallWindow(*window))


async def by_key(connection: ReadConnection, keys: Sequence[DeliveryKey]) -> Sequence[LiveDelivery]:
    """Return the deliveries with these keys. They are locked only if their messages are."""
    requested = set(keys)
    pairs = sorted({key[:2] for key in requested})
    statement = select(*COLUMNS).where(
        pairs_of(DELIVERY.c.message_id, DELIVERY.c.recipient_number, pairs)
    )
    deliveries = (LiveDelivery(*row) for row in await connection.execute(statement))
    return [delivery for delivery in deliveries if delivery.key in requested]


async def by_reference_and_address(
    connection: ReadConnection, gateway: str, references: Sequence[str], addresses: Sequence[str]
) -> Sequence[tuple[LiveDelivery, str]]:
    """Return the deliveries with these provider ids and addresses, each with its normalised address.

    A thousand emails may share one id. A call has its own id, and `addresses` may lack its extension, so phones are not
    filtered by address.
    """
    if not references:
        return []
    has_address = or_(ADDRESS.c.kind == AddressKind.PHONE, text_any_of(_KEY, addresses))
    statement = (
        select(*COLUMNS, _KEY)
        .select_from(
            DELIVERY.join(ADDRESS, ADDRESS.c.id == DELIVERY.c.address_id).outerjoin(*_SAME)
        )
        .where(
            DELIVERY.c.gateway == gateway,
            DELIVERY.c.reference.is_not(None),  # the condition of the index
            text_any_of(DELIVERY.c.reference, references),
            has_address,
        )
    )
    rows = await connection.execute(statement)
    return [(LiveDelivery(*row[:-1]), row[-1]) for row in rows]


async def open_with_provider(
    connection: ReadConnection, message_id: int, *, after: DeliveryKey | None, most: int
) -> Sequence[LiveDelivery]:
    """Return deliveries of a message that a provider has and whose outcome may still change, in the order of their keys."""
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
    """An address as a provider needs it."""

    key: str
    """The normalized address, which is handed over instead of the displayed one."""
    is_readable: bool
    """False: nothing is ever sent to it."""
    opted_out: bool
    """Whether it opted out of texts."""
    same_as: int | None = None
    """The address of which it is another spelling, to which other deliveries of the same message go."""


async def targets(connection: ReadConnection, address_ids: Collection[int]) -> dict[int, Target]:
    """Return the targets of these addresses, by id."""
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
    connection: ReadConnection, deliveries: Mapping[DeliveryKey, tuple[DeliveryMode, int]]
) -> set[DeliveryKey]:
    """Return those of these deliveries of one message for which another delivery to the same address is sent.

    `deliveries` has the mode of each, and the address of which its own is another spelling. Only deliveries from before
    addresses were parsed at ingest can be repeats. They are not marked as duplicates.
    """
    message_id = next(iter(deliveries)).message_id
    originals = sorted({address_id for _, address_id in deliveries.values()})
    family = ADDRESS.alias("family")
    same = func.coalesce(family.c.same_as, family.c.id)
    statement = (
        select(*DELIVERY.c[DeliveryKey._fields], DELIVERY.c.mode, same)
        .select_from(DELIVERY.join(family, family.c.id == DELIVERY.c.address_id))
        .where(
            DELIVERY.c.message_id == message_id,
            ~DELIVERY.c.is_duplicate,
            or_(any_of(family.c.id, originals), any_of(family.c.same_as, originals)),
        )
        # The delivery to the address itself comes first and is sent, because its claim does not look for repeats.
        .order_by(family.c.same_as.is_not(None), DELIVERY.c.recipient_number, DELIVERY.c.number)
    )
    firsts: dict[tuple[DeliveryMode, int], DeliveryKey] = {}
    for row in await connection.execute(statement):
        firsts.setdefault((row[3], row[4]), DeliveryKey(*row[:3]))
    return {key for key, place in deliveries.items() if firsts[place] != key}
