"""What people did after the messages of the sample: some marked an email as spam, some texted STOP.

An upload has no line for either, so they are written after it.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import func, select, update

from db.connect.database import Database
from db.derived.addresses import states
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.key_lists import any_of
from db.tables.log import ADDRESS, DELIVERY
from delivery.gateways.base import Consent
from delivery.receipts.receipts import store_consents
from domain.status import DeliveryMode, DeliveryStatus

COMPLAINTS: Final = 3
OPT_OUTS: Final = 12

_LATER: Final = timedelta(hours=2)
"""How long after the email somebody complained."""


async def add_aftermath(database: Database) -> None:
    """Add complaints and opt-outs to the sample; a second call changes nothing."""
    async with database.writing() as connection:
        complained = select(DELIVERY.c.address_id).where(DELIVERY.c.complained_at.is_not(None))
        if (await connection.execute(complained.limit(1))).first() is None:
            await _complain(connection)
            await store_consents(connection, await _stops(connection))


async def _complain(connection: WriteConnection) -> None:
    """Have the receivers of the last emails that arrived complain."""
    arrived = (
        select(DELIVERY.c.address_id, func.max(DELIVERY.c.at, type_=DELIVERY.c.at.type).label("at"))
        .where(
            DELIVERY.c.mode == DeliveryMode.EMAIL,
            DELIVERY.c.status == DeliveryStatus.DELIVERED,
            ~DELIVERY.c.is_duplicate,
        )
        .group_by(DELIVERY.c.address_id)
        .order_by(func.max(DELIVERY.c.at).desc(), DELIVERY.c.address_id)
        .limit(COMPLAINTS)
    )
    last = {row.address_id: row.at for row in await connection.execute(arrived)}
    for address_id, at in last.items():
        await connection.execute(
            update(DELIVERY)
            .where(any_of(DELIVERY.c.address_id, [address_id]), DELIVERY.c.at == at)
            .values(complained_at=at + _LATER)
        )
    await states.recount(connection, last)


async def _stops(connection: ReadConnection) -> list[Consent]:
    """Return the opt-outs of numbers to which texts were not sent for that reason."""
    at = func.min(DELIVERY.c.at, type_=DELIVERY.c.at.type)
    statement = (
        select(ADDRESS.c.key, at)
        .join(DELIVERY, DELIVERY.c.address_id == ADDRESS.c.id)
        .where(DELIVERY.c.status == DeliveryStatus.OPTED_OUT, DELIVERY.c.at.is_not(None))
        .group_by(ADDRESS.c.key)
        .order_by(ADDRESS.c.key)
        .limit(OPT_OUTS)
    )
    return [Consent(row[1], row[0], True) for row in await connection.execute(statement)]
