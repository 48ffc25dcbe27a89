"""Backfill: reads every email address and phone number of the log again, and merges those that are one.

Marks and figures of the messages that are in the log stay as they are. So where deliveries of one message went to two
spellings of an address, the second spelling keeps a row of its own, `same_as` the other, for those deliveries alone.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, exists, func, not_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.migrations.places import Place
from db.sql.key_lists import any_of, text_any_of
from db.tables.log import ADDRESS, DELIVERY, DISTRICT, MESSAGE
from domain.addresses import UNREADABLE, AddressKind, InvalidAddress, normalise, unreadable
from domain.status import DeliveryMode

ROWS: Final = 1_000
"""Addresses that one piece reads."""

MESSAGES: Final = 500
"""Messages whose deliveries one piece moves: their locks are held meanwhile."""

_MODE: Final = {AddressKind.EMAIL: DeliveryMode.EMAIL, AddressKind.PHONE: DeliveryMode.VOICE}
"""By which mode the addresses of a kind are read."""

_Place = tuple[int, AddressKind, str]
"""District, kind and key: one address has each."""


class _Found(NamedTuple):
    """An address of the log, and what it is now."""

    id: int
    district_id: int
    kind: AddressKind
    key: str
    new_key: str

    @property
    def place(self) -> _Place:
        return self.district_id, self.kind, self.new_key

    @property
    def is_readable(self) -> bool:
        return not self.new_key.startswith(UNREADABLE)


async def do_piece(connection: AsyncConnection, after: Place) -> Place | None:
    """Do the next piece behind an address, and give the one up to which all is done; None where none is left.

    The caller holds the lock of the ingest: nobody adds an address or a delivery meanwhile.
    """
    rows = await _next(connection, after.id)
    return Place(await _do(connection, rows, after.id)) if rows else None


async def _do(connection: AsyncConnection, rows: Sequence[_Found], after: int) -> int:
    """Rename or merge the first of these addresses, and give the last that is done."""
    changed = [found for found in rows if found.new_key != found.key]
    taken = await _ids(connection, changed)
    done = after
    for found in rows:
        if found.new_key != found.key:
            other = taken.get(found.place)
            if other is not None:
                # A merge is a piece of its own, or several.
                return done if done > after else await _merge(connection, found, other, after)
            await _rename(connection, found)
            taken[found.place] = found.id
        done = found.id
    return done


async def _next(connection: AsyncConnection, after: int) -> Sequence[_Found]:
    statement = (
        select(
            ADDRESS.c.id, ADDRESS.c.district_id, ADDRESS.c.kind, ADDRESS.c.key, DISTRICT.c.country
        )
        .join(DISTRICT, DISTRICT.c.id == ADDRESS.c.district_id)
        .where(
            ADDRESS.c.id > after,
            ADDRESS.c.kind.in_(sorted(_MODE)),
            ADDRESS.c.same_as.is_(None),
        )
        .order_by(ADDRESS.c.id)
        .limit(ROWS)
    )
    return [
        _Found(id_, district_id, kind, key, _read(kind, key, country))
        for id_, district_id, kind, key, country in await connection.execute(statement)
    ]


def _read(kind: AddressKind, key: str, country: str) -> str:
    """The key that an address with this key has now."""
    if key.startswith(UNREADABLE):
        return key
    mode = _MODE[kind]
    try:
        return normalise(mode, key, country=country).key
    except InvalidAddress:
        return unreadable(mode, key).key


async def _ids(connection: AsyncConnection, changed: Sequence[_Found]) -> dict[_Place, int]:
    """The addresses that have the new keys already, by their places."""
    if not changed:
        return {}
    statement = select(ADDRESS.c.id, ADDRESS.c.district_id, ADDRESS.c.kind, ADDRESS.c.key).where(
        # Spelled out for the index, which begins with district and kind.
        any_of(ADDRESS.c.district_id, sorted({found.district_id for found in changed})),
        ADDRESS.c.kind.in_(sorted(_MODE)),
        text_any_of(ADDRESS.c.key, sorted({found.new_key for found in changed})),
    )
    return {(row[1], row[2], row[3]): row[0] for row in await connection.execute(statement)}


async def _rename(connection: AsyncConnection, found: _Found) -> None:
    await connection.execute(
        update(ADDRESS)
        .where(ADDRESS.c.id == found.id)
        .values(key=found.new_key, is_readable=found.is_readable)
    )


async def _merge(connection: AsyncConnection, found: _Found, other: int, after: int) -> int:
    """Move deliveries of `found` to `other`, or where none is left to be moved, end it; gives up to which all is done."""
    if await _move(connection, found.id, other):
        return after
    await _keep_opt_out(connection, found.id, other)
    is_used = await connection.scalar(select(exists().where(DELIVERY.c.address_id == found.id)))
    if is_used:
        await connection.execute(
            update(ADDRESS)
            .where(ADDRESS.c.id == found.id)
            .values(same_as=other, is_readable=found.is_readable)
        )
    else:
        await connection.execute(delete(ADDRESS).where(ADDRESS.c.id == found.id))
    return found.id


async def _move(connection: AsyncConnection, from_id: int, to_id: int) -> bool:
    """Move the deliveries of some messages from one address to another; whether there were any.

    Left where they are: those of a message of which others went to the other address, or of which one is being handed over:
    whoever has its claim knows it by its address.
    """
    movable = select(DELIVERY.c.message_id).distinct().where(_may_move(from_id, to_id))
    first = movable.order_by(DELIVERY.c.message_id).limit(MESSAGES)
    ids = list(await connection.scalars(first))
    if not ids:
        return False
    locks = select(MESSAGE.c.id).where(any_of(MESSAGE.c.id, ids)).order_by(MESSAGE.c.id)
    await connection.execute(locks.with_for_update(key_share=True))
    # Before their lock was there, something may have been claimed.
    ids = list(await connection.scalars(movable.where(any_of(DELIVERY.c.message_id, ids))))
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SET LOCAL sentlog.merges_addresses = 'on'"))
    await connection.execute(
        update(DELIVERY)
        .where(any_of(DELIVERY.c.message_id, ids), DELIVERY.c.address_id == from_id)
        .values(address_id=to_id)
    )
    return True


def _may_move(from_id: int, to_id: int) -> ColumnElement[bool]:
    twin, claimed = DELIVERY.alias("twin"), DELIVERY.alias("claimed")
    return and_(
        DELIVERY.c.address_id == from_id,
        not_(
            exists().where(twin.c.message_id == DELIVERY.c.message_id, twin.c.address_id == to_id)
        ),
        not_(
            exists().where(
                claimed.c.message_id == DELIVERY.c.message_id,
                claimed.c.address_id == from_id,
                claimed.c.claim.is_not(None),
            )
        ),
    )


async def _keep_opt_out(connection: AsyncConnection, from_id: int, to_id: int) -> None:
    """Whoever opted out under one spelling has opted out; opting in again is of the address that is left."""
    since: Any = await connection.scalar(
        select(ADDRESS.c.opted_out_at).where(ADDRESS.c.id == from_id)
    )
    if since is None:
        return
    await connection.execute(
        update(ADDRESS)
        .where(ADDRESS.c.id == to_id)
        .values(opted_out_at=func.coalesce(ADDRESS.c.opted_out_at, since))
    )
    await connection.execute(
        update(ADDRESS).where(ADDRESS.c.id == from_id).values(opted_out_at=None)
    )
