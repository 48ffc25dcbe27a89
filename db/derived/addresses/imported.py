"""Adds the outcomes of imported history to the states of addresses."""

from datetime import datetime
from typing import Final

from sqlalchemy import Boolean, Integer, and_, column, or_, select, table

from db.derived.addresses.rows import FATES, REACHED, fate_in
from db.derived.addresses.states import FateChange, PossibleChange, keep_failures_out, update
from db.sql.connections import WriteConnection
from db.sql.key_lists import is_there
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import DELIVERY
from domain.contact_problems import Fate
from domain.status import OPEN, DeliveryStatus

_STAGED: Final = table(
    "staged_message", column("message_id", Integer), column("is_recorded", Boolean)
)
_HISTORY: Final = select(_STAGED.c.message_id).where(_STAGED.c.is_recorded).limit(1)
_HAS_ROW: Final = is_there(
    select(ADDRESS_FAILURES.c.address_id).where(
        ADDRESS_FAILURES.c.address_id == DELIVERY.c.address_id
    )
)
_OUTCOMES: Final = (
    select(*FATES)
    .select_from(_STAGED.join(DELIVERY, DELIVERY.c.message_id == _STAGED.c.message_id))
    .where(
        ~DELIVERY.c.is_duplicate,
        or_(
            DELIVERY.c.status == DeliveryStatus.FAILED,
            and_(_HAS_ROW, DELIVERY.c.status.not_in(sorted(OPEN)), REACHED),
        ),
    )
)
"""Failures, and arrivals at addresses with a row: without one, an address never failed, and an arrival says nothing."""


async def add(connection: WriteConnection) -> None:
    """Update the states for the deliveries of all staged messages, which are in the log already.

    An arrival matters only to an address with a row: without one, it never failed. A transaction that writes the first
    failure of an address does not see arrivals of an open import. So those of before are awaited, and others wait.
    """
    changes: list[PossibleChange] = []
    arrived: dict[int, datetime] = {}

    def add_fate(address_id: int, fate: Fate) -> None:
        change = FateChange(address_id, None, fate)
        changes.append(PossibleChange(address_id, change.is_of_failure, lambda: change))

    await keep_failures_out(connection, for_each=_HISTORY)
    for row in await connection.execute(_OUTCOMES):
        address_id, fate = fate_in(row)
        if fate is not None and fate.is_reached:
            # Of the arrivals only the last one matters: it ends the run of all failures before it.
            arrived[address_id] = max(fate.at, arrived.get(address_id, fate.at))
        elif fate is not None:
            add_fate(address_id, fate)
    for address_id, at in arrived.items():
        add_fate(address_id, Fate(at, (0, 0, 0), is_reached=True))
    await update(connection, changes)
