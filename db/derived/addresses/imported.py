"""Adds the outcomes of imported history to the states of addresses."""

from typing import Final

from sqlalchemy import Integer, column, func, select, table

from db.derived.addresses.rows import AT, FATES, REACHED, fate_in
from db.derived.addresses.states import FateChange, PossibleChange, update
from db.sql.connections import WriteConnection
from db.sql.key_lists import is_there
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import DELIVERY
from domain.contact_problems import Fate
from domain.status import OPEN, DeliveryStatus

_STAGED: Final = table("staged_message", column("message_id", Integer))
_HAS_ROW: Final = is_there(
    select(ADDRESS_FAILURES.c.address_id).where(
        ADDRESS_FAILURES.c.address_id == DELIVERY.c.address_id
    )
)
_IMPORTED: Final = _STAGED.join(DELIVERY, DELIVERY.c.message_id == _STAGED.c.message_id)
_FAILED: Final = (
    select(*FATES)
    .select_from(_IMPORTED)
    .where(~DELIVERY.c.is_duplicate, DELIVERY.c.status == DeliveryStatus.FAILED)
)
# Of the arrivals at an address only the last one matters: it ends the run of all failures before it.
_REACHED: Final = (
    select(DELIVERY.c.address_id, func.max(AT, type_=DELIVERY.c.at.type))
    .select_from(_IMPORTED)
    .where(~DELIVERY.c.is_duplicate, DELIVERY.c.status.not_in(sorted(OPEN)), REACHED, _HAS_ROW)
    .group_by(DELIVERY.c.address_id)
)


async def add(connection: WriteConnection) -> None:
    """Update the states for the deliveries of all staged messages, which are in the log already.

    An arrival matters only to an address with a row: without one, it never failed.
    """
    changes: list[PossibleChange] = []

    def add_fate(address_id: int, fate: Fate) -> None:
        change = FateChange(address_id, None, fate)
        changes.append(PossibleChange(address_id, change.is_of_failure, lambda: change))

    for row in await connection.execute(_FAILED):
        address_id, fate = fate_in(row)
        if fate is not None:
            add_fate(address_id, fate)
    for address_id, at in await connection.execute(_REACHED):
        add_fate(address_id, Fate(at, (0, 0, 0), is_reached=True))
    await update(connection, changes)
