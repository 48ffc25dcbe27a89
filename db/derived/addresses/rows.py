"""Reads the states of addresses: as they are stored, and as their deliveries say."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select

from db.sql.connections import ReadConnection
from db.sql.index_hints import by_index
from db.sql.key_lists import any_of
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import DELIVERY, MESSAGE
from domain.call_status import SUCCESSES
from domain.contact_problems import (
    REPORTS_ARRIVAL,
    AddressState,
    FailureRun,
    Fate,
    fate_of,
    state_of,
)
from domain.modes import PHONE_MODES
from domain.status import DeliveryMode, DeliveryStatus

_OWN: Final = MESSAGE.alias("own_message")
AT: Final = func.coalesce(
    DELIVERY.c.at,
    # History may have no time of an outcome.
    select(_OWN.c.scheduled_at)
    .where(_OWN.c.id == DELIVERY.c.message_id)
    .correlate(DELIVERY)
    .scalar_subquery(),
    type_=DELIVERY.c.at.type,
)

REACHED: Final[ColumnElement[bool]] = or_(
    and_(
        DELIVERY.c.mode.in_(sorted(PHONE_MODES)),
        or_(DELIVERY.c.confirmed, DELIVERY.c.call_status.in_(sorted(SUCCESSES))),
    ),
    and_(
        DELIVERY.c.mode.in_([DeliveryMode.EMAIL, DeliveryMode.INBOX]),
        or_(
            DELIVERY.c.status == DeliveryStatus.DELIVERED,
            and_(
                DELIVERY.c.status == DeliveryStatus.SENT,
                or_(
                    DELIVERY.c.mode == DeliveryMode.INBOX,
                    func.coalesce(DELIVERY.c.gateway, "").not_in(sorted(REPORTS_ARRIVAL)),
                ),
            ),
        ),
    ),
)
"""The condition that a delivery reached its address, as in `domain.contact_problems.fate_of`."""

FATES: Final = (
    DELIVERY.c.address_id,
    DELIVERY.c.message_id,
    DELIVERY.c.recipient_number,
    DELIVERY.c.number,
    DELIVERY.c.mode,
    DELIVERY.c.status,
    AT,
    DELIVERY.c.call_status,
    DELIVERY.c.confirmed,
    DELIVERY.c.gateway,
    DELIVERY.c.failure,
)
"""The columns from which `fate_in` makes a fate."""

STATE: Final = (
    "last_reached_at",
    "last_failed_at",
    "failures",
    "run_since",
    "in_several",
    "run_kind",
    "run_kind_since",
    "complained_at",
    "last_message_id",
    "last_recipient_number",
    "last_number",
)
"""The columns of an `AddressState`."""


class StoredState(NamedTuple):
    """The stored state of an address."""

    district_id: int
    state: AddressState


def fate_in(row: Sequence[Any]) -> tuple[int, Fate | None]:
    """Return the address in a row of `FATES`, and what the delivery says about it."""
    address_id, *key, mode, status, at, call_status, confirmed, provider, code = row
    fate = fate_of(
        (key[0], key[1], key[2]),
        mode,
        status,
        at=at,
        call_status=call_status,
        confirmed=confirmed,
        provider=provider,
        code=code,
    )
    return address_id, fate


def state_values(state: AddressState) -> tuple[Any, ...]:
    """Return the values of `STATE`."""
    run = state.run
    return (
        state.last_reached_at,
        state.last_failed_at,
        run.failures,
        run.since,
        run.in_several,
        run.kind,
        run.kind_since,
        state.complained_at,
        *(state.last_key or (None, None, None)),
    )


def state_in(values: Sequence[Any]) -> AddressState:
    """Return the state from the values of `STATE`."""
    reached, failed, *run, complained, message_id, recipient_number, number = values
    key = None if message_id is None else (message_id, recipient_number, number)
    return AddressState(reached, failed, FailureRun(*run), complained, key)


async def states_of(
    connection: ReadConnection, address_ids: Iterable[int], *, opted_out: Collection[int]
) -> Mapping[int, AddressState]:
    """Return the states that follow from the deliveries of these addresses, by address.

    An address is left out if it never failed, nobody complained, and it is not among `opted_out`.
    """
    ids = sorted(address_ids)
    fates: dict[int, list[Fate]] = defaultdict(list)
    failed = (
        select(*FATES)
        .with_hint(DELIVERY, by_index("delivery_to_address"), "sqlite")
        .where(
            any_of(DELIVERY.c.address_id, ids),
            ~DELIVERY.c.is_duplicate,
            DELIVERY.c.status == DeliveryStatus.FAILED,
        )
    )
    for row in await connection.execute(failed):
        address_id, fate = fate_in(row)
        if fate is not None:
            fates[address_id].append(fate)
    complaints = (
        select(DELIVERY.c.address_id, func.max(DELIVERY.c.complained_at))
        .with_hint(DELIVERY, by_index("delivery_to_address"), "sqlite")
        .where(any_of(DELIVERY.c.address_id, ids), DELIVERY.c.complained_at.is_not(None))
        .group_by(DELIVERY.c.address_id)
    )
    complained = {row[0]: row[1] for row in await connection.execute(complaints)}
    ids = sorted({*fates, *complained, *opted_out})
    states = await _with_arrivals(connection, ids, fates, complained) if ids else {}
    return {id: state for id, state in states.items() if id in opted_out or not state.is_empty}


async def _with_arrivals(
    connection: ReadConnection,
    ids: Sequence[int],
    fates: Mapping[int, Sequence[Fate]],
    complained: Mapping[int, datetime],
) -> Mapping[int, AddressState]:
    arrivals = (
        select(DELIVERY.c.address_id, func.max(AT, type_=DELIVERY.c.at.type))
        .with_hint(DELIVERY, by_index("delivery_to_address"), "sqlite")
        .where(any_of(DELIVERY.c.address_id, ids), ~DELIVERY.c.is_duplicate, REACHED)
        .group_by(DELIVERY.c.address_id)
    )
    reached = {row[0]: row[1] for row in await connection.execute(arrivals)}
    states: dict[int, AddressState] = {}
    for id in ids:
        all_fates = [*fates.get(id, ())]
        if id in reached:
            all_fates.append(Fate(reached[id], (0, 0, 0), is_reached=True))
        states[id] = state_of(all_fates, complained_at=complained.get(id))
    return states


async def stored(
    connection: ReadConnection, address_ids: Sequence[int], *, locks: bool = False
) -> Mapping[int, StoredState]:
    """Return the stored states of these addresses, by address; `locks`: locked in the order of their ids."""
    statement = (
        select(*ADDRESS_FAILURES.c["address_id", "district_id", *STATE])
        .where(any_of(ADDRESS_FAILURES.c.address_id, address_ids))
        .order_by(ADDRESS_FAILURES.c.address_id)
    )
    if locks:
        statement = statement.with_for_update()
    rows = await connection.execute(statement)
    return {row[0]: StoredState(row[1], state_in(row[2:])) for row in rows}
