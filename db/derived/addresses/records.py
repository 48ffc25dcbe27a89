"""Addresses as records: those that a viewer may see, what became of them, and the people behind them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, literal, select

from db.derived.addresses.rows import AT, REACHED
from db.log.visibility import Visibility, visible
from db.sql.connections import ReadConnection
from db.sql.index_hints import by_index
from db.sql.key_lists import any_of, is_there
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import ADDRESS, DELIVERY, MESSAGE, RECIPIENT
from domain.modes import AddressKind
from domain.status import DeliveryStatus

_NOT_USED: Final = (DeliveryStatus.PENDING, DeliveryStatus.CANCELED, DeliveryStatus.OPTED_OUT)
"""The statuses of a delivery that never left."""


class AddressRecord(NamedTuple):
    """An email address, phone number or portal account."""

    id: int
    kind: AddressKind
    value: str
    last_failed_at: datetime | None
    failures: int
    opted_out_at: datetime | None


class AddressUse(NamedTuple):
    """When the last delivery to an address left, and when one last reached it."""

    last_used_at: datetime | None = None
    last_reached_at: datetime | None = None


def has_visible(
    address_id: ColumnElement[int], visibility: Visibility, *conditions: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Return the condition that a visible message, which satisfies `conditions`, went to the address of a row."""
    return is_there(
        select(literal(1))
        .select_from(DELIVERY.join(MESSAGE, MESSAGE.c.id == DELIVERY.c.message_id))
        .with_hint(DELIVERY, by_index("delivery_to_address"), "sqlite")
        .where(DELIVERY.c.address_id == address_id, visible(visibility), *conditions)
        .correlate(ADDRESS, ADDRESS_FAILURES)
    )


async def addresses(
    connection: ReadConnection, ids: Sequence[int], *, visibility: Visibility
) -> Mapping[int, AddressRecord]:
    """Return those of these addresses to which a visible message went. The facts count all deliveries of the district."""
    statement = (
        select(
            ADDRESS.c.id,
            ADDRESS.c.kind,
            func.trim(ADDRESS.c.key),  # that of an unreadable address begins with a space
            ADDRESS_FAILURES.c.last_failed_at,
            func.coalesce(ADDRESS_FAILURES.c.failures, 0),
            ADDRESS.c.opted_out_at,
        )
        .select_from(
            ADDRESS.outerjoin(ADDRESS_FAILURES, ADDRESS_FAILURES.c.address_id == ADDRESS.c.id)
        )
        .where(
            any_of(ADDRESS.c.id, ids),
            ADDRESS.c.district_id == visibility.district.id,
            has_visible(ADDRESS.c.id, visibility),
        )
    )
    return {row[0]: AddressRecord(*row) for row in await connection.execute(statement)}


async def uses(connection: ReadConnection, ids: Sequence[int]) -> Mapping[int, AddressUse]:
    """Return when each of these addresses was last used and reached; one that was never used is left out."""
    kind = DELIVERY.c.at.type
    statement = (
        select(
            DELIVERY.c.address_id,
            func.max(AT, type_=kind),
            func.max(case((REACHED, AT), else_=None), type_=kind),
        )
        .with_hint(DELIVERY, by_index("delivery_to_address"), "sqlite")
        .where(
            any_of(DELIVERY.c.address_id, ids),
            ~DELIVERY.c.is_duplicate,
            # A canceled delivery may have left, and reached its number.
            DELIVERY.c.status.not_in(_NOT_USED) | REACHED,
        )
        .group_by(DELIVERY.c.address_id)
    )
    return {row[0]: AddressUse(row[1], row[2]) for row in await connection.execute(statement)}


async def people_of(
    connection: ReadConnection, ids: Sequence[int], *, visibility: Visibility
) -> Mapping[int, Sequence[int]]:
    """Return the people whose visible messages went to each of these addresses, by address, in the order of their ids."""
    statement = (
        select(DELIVERY.c.address_id, RECIPIENT.c.person_id)
        .distinct()
        .select_from(
            _deliveries_of_recipients().join(MESSAGE, MESSAGE.c.id == DELIVERY.c.message_id)
        )
        .with_hint(DELIVERY, by_index("delivery_to_address"), "sqlite")
        .where(any_of(DELIVERY.c.address_id, ids), visible(visibility))
        .order_by(DELIVERY.c.address_id, RECIPIENT.c.person_id)
    )
    return _lists(await connection.execute(statement))


async def addresses_of_people(
    connection: ReadConnection, person_ids: Sequence[int], *, visibility: Visibility
) -> Mapping[int, Sequence[int]]:
    """Return the addresses to which visible messages to each of these people went, by person, last used first."""
    last = func.max(AT, type_=DELIVERY.c.at.type)
    statement = (
        select(RECIPIENT.c.person_id, DELIVERY.c.address_id)
        .select_from(
            _deliveries_of_recipients().join(MESSAGE, MESSAGE.c.id == DELIVERY.c.message_id)
        )
        .with_hint(RECIPIENT, by_index("recipient_of_person"), "sqlite")
        .where(any_of(RECIPIENT.c.person_id, person_ids), visible(visibility))
        .group_by(RECIPIENT.c.person_id, DELIVERY.c.address_id)
        .order_by(RECIPIENT.c.person_id, last.desc(), DELIVERY.c.address_id)
    )
    return _lists(await connection.execute(statement))


def _deliveries_of_recipients() -> Any:
    return RECIPIENT.join(
        DELIVERY,
        and_(
            DELIVERY.c.message_id == RECIPIENT.c.message_id,
            DELIVERY.c.recipient_number == RECIPIENT.c.number,
        ),
    )


def _lists(rows: Any) -> Mapping[int, Sequence[int]]:
    lists: dict[int, list[int]] = defaultdict(list)
    for row in rows:
        lists[row[0]].append(row[1])
    return lists
