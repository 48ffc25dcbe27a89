"""Recipients as records: the recipient lists of messages.

`db.log.people` has people and what they were sent; `db.search.search` finds messages by the names of their recipients.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Label,
    Select,
    and_,
    case,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
    tuple_,
    union_all,
)

from db.log.text_match import FEW, contains, few_addresses, few_people, in_address
from db.log.visibility import Visibility, is_of_visible
from db.sql.connections import ReadConnection
from db.sql.cursors import Term
from db.sql.index_hints import by_index
from db.sql.key_lists import any_of, counts, pairs_of
from db.sql.keyset_paging import Order, Slice, slices
from db.sql.rows import RecordColumns
from db.tables.log import ADDRESS, DELIVERY, RECIPIENT
from domain.modes import SCREEN_MODES
from domain.paging import Page
from domain.search import fold
from domain.status import OPEN, DeliveryStatus


class RecipientRecord(NamedTuple):
    """One person in the list of one message, with the names of that time."""

    message_id: int
    number: int
    person_id: int
    name: str
    student_id: int | None
    student_name: str | None
    contacted_by_phone: bool


class RecipientOutcome(StrEnum):
    """The outcome of a message for a recipient."""

    REACHED = "REACHED"
    NOT_REACHED = "NOT_REACHED"
    HAS_FAILURE = "HAS_FAILURE"
    NO_DEVICE = "NO_DEVICE"
    PENDING = "PENDING"


class RecipientFilter(NamedTuple):
    """A filter for the recipients of a message: by a text in a name or address, as typed, and by outcome."""

    search: str | None = None
    outcome: RecipientOutcome | None = None


ALL: Final = RecipientFilter()

_PEOPLE: Final = (
    (RECIPIENT.c.person_id, "recipient_of_person"),
    (RECIPIENT.c.student_id, "recipient_of_student"),
)
"""The columns with people, each with the index that finds recipients by it."""

_KEY: Final = (RECIPIENT.c.message_id, RECIPIENT.c.number)
ALWAYS: Final = frozenset({"message_id", "number"})
"""The fields that are always read: the primary key."""
READING: Final = RecordColumns(
    RecipientRecord,
    {
        field: RECIPIENT.c["contacted" if field == "contacted_by_phone" else field]
        for field in RecipientRecord._fields
    },
)


def by_name(scope: str) -> Order:
    """Return the order of a message's list by name, then student."""
    return Order([Term("NAME", RECIPIENT.c.key), Term("NUMBER", RECIPIENT.c.number)], scope=scope)


def in_order_of_list(scope: str) -> Order:
    """Return the order of ingest of a message's list, which reveals nothing about names."""
    return Order([Term("NUMBER", RECIPIENT.c.number)], scope=scope)


async def pages_of_messages(
    connection: ReadConnection,
    message_ids: Sequence[int],
    *,
    wanted: RecipientFilter,
    order: Order,
    page: Page,
    fields: frozenset[str] | None = None,
) -> Mapping[int, Slice[RecipientRecord]]:
    """Return the same page of the list of each of these messages, with the key and `fields` of each recipient; all if None."""
    reading = READING.narrowed(fields, always=ALWAYS)
    matches = await _matches(connection, message_ids, wanted)

    def of(message_id: Any) -> Select[Any]:
        return reading.select().where(RECIPIENT.c.message_id == message_id, matches)

    return await slices(connection, message_ids, of=of, order=order, page=page, reading=reading)


async def counts_of_messages(
    connection: ReadConnection, message_ids: Sequence[int], *, wanted: RecipientFilter
) -> Mapping[int, int]:
    """Return how many recipients of each of these messages pass the filter; a message without any is left out."""
    matches = await _matches(connection, message_ids, wanted)
    return await counts(connection, RECIPIENT.c.message_id, message_ids, matches)


async def recipients(
    connection: ReadConnection, keys: Sequence[tuple[int, int]], *, visibility: Visibility
) -> Mapping[tuple[int, int], RecipientRecord]:
    """Return the recipients with these keys (message, number) whose messages are visible."""
    statement = READING.select().where(
        pairs_of(RECIPIENT.c.message_id, RECIPIENT.c.number, keys),
        is_of_visible(RECIPIENT.c.message_id, visibility),
    )
    rows = await connection.execute(statement)
    return {(row.message_id, row.number): RecipientRecord(*row) for row in rows}


async def _matches(
    connection: ReadConnection, message_ids: Sequence[int], wanted: RecipientFilter
) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = []
    if wanted.search:
        parts.append(await _contains_text(connection, message_ids, wanted.search))
    if wanted.outcome is not None:
        parts.append(OUTCOMES[wanted.outcome])
    return and_(true(), *parts)


async def _contains_text(
    connection: ReadConnection, message_ids: Sequence[int], typed: str
) -> ColumnElement[bool]:
    """Return the condition that a name or address of a recipient of these messages contains `typed`."""
    named = contains(RECIPIENT.c.key, fold(typed))
    people, addresses = await few_people(connection, typed), await few_addresses(connection, typed)
    if people is not None:
        named = and_(named, or_(*(any_of(column, people) for column, _ in _PEOPLE)))
    if addresses is None:
        return or_(named, _has_delivery(ADDRESS.c.id == DELIVERY.c.address_id, in_address(typed)))
    addressed = select(DELIVERY.c.message_id, DELIVERY.c.recipient_number).where(
        any_of(DELIVERY.c.address_id, addresses), any_of(DELIVERY.c.message_id, message_ids)
    )
    if people is not None:
        of_messages = any_of(RECIPIENT.c.message_id, message_ids)
        lists = [
            select(*_KEY)
            .with_hint(RECIPIENT, by_index(index), "sqlite")
            .where(any_of(column, people), of_messages, contains(RECIPIENT.c.key, fold(typed)))
            for column, index in _PEOPLE
        ]
        lists.append(addressed.with_hint(DELIVERY, by_index("delivery_to_address"), "sqlite"))
        if (keys := await _few_of(connection, lists)) is not None:
            return pairs_of(*_KEY, keys) if keys else false()
    return or_(named, tuple_(*_KEY).in_(addressed))


async def _few_of(
    connection: ReadConnection, lists: Sequence[Select[Any]]
) -> Sequence[tuple[int, int]] | None:
    """Return the keys that these statements select, if they are few; None otherwise."""
    statement = union_all(*lists).limit(FEW + 1)
    rows = [(message_id, number) for message_id, number in await connection.execute(statement)]
    return None if len(rows) > FEW else sorted(set(rows))


def _has_delivery(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(
        DELIVERY.c.message_id == RECIPIENT.c.message_id,
        DELIVERY.c.recipient_number == RECIPIENT.c.number,
        *conditions,
    )


HAS_ARRIVED: Final = and_(
    DELIVERY.c.mode.in_(sorted(SCREEN_MODES)),
    DELIVERY.c.status.in_([DeliveryStatus.SENT, DeliveryStatus.DELIVERED]),
)
"""The condition that a delivery reached its recipient by inbox or e-mail."""
HAS_FAILED: Final = DELIVERY.c.status == DeliveryStatus.FAILED
IS_PENDING: Final = DELIVERY.c.status.in_(list(OPEN))

_REACHED: Final = or_(RECIPIENT.c.contacted, _has_delivery(HAS_ARRIVED))
OUTCOMES: Final[Mapping[RecipientOutcome, ColumnElement[bool]]] = {
    RecipientOutcome.REACHED: _REACHED,
    RecipientOutcome.NOT_REACHED: not_(_REACHED),
    RecipientOutcome.HAS_FAILURE: _has_delivery(HAS_FAILED),
    RecipientOutcome.NO_DEVICE: not_(_has_delivery()),
    RecipientOutcome.PENDING: _has_delivery(IS_PENDING),
}
"""The rule for each outcome; `outcome_counts` counts by the same."""


# How many recipients have each outcome


class OutcomeCount(NamedTuple):
    """The number of recipients with an outcome."""

    outcome: RecipientOutcome
    recipients: int


NOBODY: Final = tuple(OutcomeCount(outcome, 0) for outcome in RecipientOutcome)
"""The counts of a message without recipients."""


async def outcome_counts(
    connection: ReadConnection, message_ids: Sequence[int]
) -> Mapping[int, Sequence[OutcomeCount]]:
    """Return the count of each outcome for each of these messages, zeros included; a message without recipients is left out."""
    # One pass over the deliveries in the order of the primary keys, instead of a look-up per recipient and outcome.
    of_recipient = and_(
        DELIVERY.c.message_id == RECIPIENT.c.message_id,
        DELIVERY.c.recipient_number == RECIPIENT.c.number,
    )
    each = (
        select(
            RECIPIENT.c.message_id,
            RECIPIENT.c.number,
            _any(RECIPIENT.c.contacted).label("contacted"),
            _any(HAS_ARRIVED).label("arrived"),
            _any(HAS_FAILED).label("failed"),
            _any(IS_PENDING).label("pending"),
            func.count(DELIVERY.c.number).label("deliveries"),
        )
        .select_from(RECIPIENT.outerjoin(DELIVERY, of_recipient))
        .where(any_of(RECIPIENT.c.message_id, message_ids))
        .group_by(RECIPIENT.c.message_id, RECIPIENT.c.number)
        .subquery("each")
    )
    reached = or_(each.c.contacted == 1, each.c.arrived == 1)
    rules = {
        RecipientOutcome.REACHED: reached,
        RecipientOutcome.NOT_REACHED: ~reached,
        RecipientOutcome.HAS_FAILURE: each.c.failed == 1,
        RecipientOutcome.NO_DEVICE: each.c.deliveries == 0,
        RecipientOutcome.PENDING: each.c.pending == 1,
    }
    statement = select(
        each.c.message_id, *(_count(rules[outcome], outcome) for outcome in RecipientOutcome)
    ).group_by(each.c.message_id)
    return {
        message_id: tuple(map(OutcomeCount, RecipientOutcome, counts))
        for message_id, *counts in await connection.execute(statement)
    }


def _any(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Return 1 if `condition` holds for any row of a group, and 0 otherwise."""
    return func.max(case((condition, 1), else_=0))


def _count(condition: ColumnElement[bool], outcome: RecipientOutcome) -> Label[Any]:
    return func.sum(case((condition, 1), else_=0)).label(outcome.lower())
