"""The inbox of a portal account: the visible messages that were put there, newest first."""

from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import func, select

from db.log.text_match import is_storable
from db.log.visibility import Visibility, visible
from db.sql.connections import ReadConnection
from db.sql.cursors import Term
from db.sql.index_hints import BY_ROWID, by_index
from db.sql.keyset_paging import Order, Slice, SortKeys
from db.sql.rows import RecordColumns, Rows
from db.tables.log import ADDRESS, DELIVERY, MESSAGE, RECIPIENT
from domain.modes import AddressKind
from domain.paging import Page
from domain.status import DeliveryMode, DeliveryStatus

_PUT_AT: Final = func.coalesce(DELIVERY.c.at, MESSAGE.c.scheduled_at)
"""When a message was put into the inbox; its scheduled time if imported history names none."""


class InboxRecord(NamedTuple):
    """A message in an inbox, without its body."""

    message_id: int
    recipient_number: int
    number: int
    """With the two above it, the key of its delivery."""
    school_id: int | None
    subject: str
    sender_id: str
    sender_name: str
    received_at: datetime
    student_id: int | None
    student_name: str | None


READING: Final = RecordColumns(
    InboxRecord,
    {
        "message_id": DELIVERY.c.message_id,
        "recipient_number": DELIVERY.c.recipient_number,
        "number": DELIVERY.c.number,
        "school_id": MESSAGE.c.school_id,
        "subject": MESSAGE.c.subject,
        "sender_id": MESSAGE.c.sender_id,
        "sender_name": MESSAGE.c.sender_name,
        "received_at": _PUT_AT,
        "student_id": RECIPIENT.c.student_id,
        "student_name": RECIPIENT.c.student_name,
    },
)


def newest_first(scope: object) -> Order:
    """Return the order by the time at which messages were put there, then by id; the newest first."""
    terms = (
        Term("PUT_AT", _PUT_AT, descending=True),
        Term("MESSAGE", DELIVERY.c.message_id, descending=True),
        Term("RECIPIENT", DELIVERY.c.recipient_number, descending=True),
        Term("NUMBER", DELIVERY.c.number, descending=True),
    )
    return Order(terms, scope=scope)


async def account_known_as(connection: ReadConnection, key: str, *, district_id: int) -> int | None:
    """Return the id of the portal account with this normalized name; None if nothing was sent to it."""
    if not is_storable(key):
        return None
    statement = select(ADDRESS.c.id).where(
        ADDRESS.c.district_id == district_id,
        ADDRESS.c.kind == AddressKind.ACCOUNT,
        ADDRESS.c.key == key,
    )
    account: int | None = await connection.scalar(statement)
    return account


async def page_of_account(
    connection: ReadConnection,
    account: int | None,
    *,
    visibility: Visibility,
    order: Order,
    page: Page,
) -> Slice[InboxRecord]:
    """Return the page of the messages in the inbox of an account; empty for None.

    A message is in an inbox from the moment it was put there until it is purged, even if it was canceled later. Duplicates
    were never put there. Raises `BadUserInput` for a cursor of another list.
    """
    keys = order.cursors.page(page)
    if account is None:
        empty = Rows(InboxRecord, InboxRecord._fields, [])
        return Slice(empty, SortKeys([], ()), keys.after is not None, has_next=False)
    statement = (
        READING.select()
        .join(MESSAGE, MESSAGE.c.id == DELIVERY.c.message_id)
        .join(
            RECIPIENT,
            (RECIPIENT.c.message_id == DELIVERY.c.message_id)
            & (RECIPIENT.c.number == DELIVERY.c.recipient_number),
        )
        .where(
            DELIVERY.c.address_id == account,
            DELIVERY.c.mode == DeliveryMode.INBOX,
            DELIVERY.c.status.in_([DeliveryStatus.SENT, DeliveryStatus.DELIVERED]),
            ~DELIVERY.c.is_duplicate,
            MESSAGE.c.purged_at.is_(None),
            visible(visibility),
        )
        # SQLite would otherwise begin with all messages of the district.
        .with_hint(DELIVERY, by_index("delivery_to_address"), "sqlite")
        .with_hint(MESSAGE, BY_ROWID, "sqlite")
    )
    rows = (await connection.execute(order.apply(statement, READING, keys), keys.values)).all()
    return order.cut(rows, keys, READING)
