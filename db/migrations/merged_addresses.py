"""Backfill: parses every email address and phone number of the log again, and merges different spellings of one address.

Existing duplicate marks and figures do not change. If deliveries of one message went to two spellings of an address, the
second keeps its row, with `same_as`, only for those deliveries.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, exists, func, not_, select, text, update

from db.derived.addresses import states
from db.migrations.places import BackfillPlace
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.key_lists import any_of, text_any_of
from db.tables.log import ADDRESS, DELIVERY, DISTRICT, MESSAGE
from domain.addresses import UNREADABLE, InvalidAddress, normalise, unreadable
from domain.modes import AddressKind
from domain.status import DeliveryMode

ROWS: Final = 1_000
"""The addresses that one piece reads."""

MESSAGES: Final = 500
"""The messages whose deliveries one piece moves while it holds their locks."""

_MODE: Final = {AddressKind.EMAIL: DeliveryMode.EMAIL, AddressKind.PHONE: DeliveryMode.VOICE}
"""The mode by whose rules the addresses of a kind are parsed."""

_Place = tuple[int, AddressKind, str]
"""District, kind and key, which are unique."""


class _Parsed(NamedTuple):
    """An address of the log, and its key by the current rules."""

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


async def do_piece(connection: WriteConnection, after: BackfillPlace) -> BackfillPlace | None:
    """Do the next piece after an address, and return the one up to which all is done; None if none is left.

    The caller holds the lock of the ingest, so no address or delivery is added at the same time.
    """
    rows = await _next(connection, after.id)
    return BackfillPlace(await _do(connection, rows, after.id)) if rows else None


async def _do(connection: WriteConnection, rows: Sequence[_Parsed], after: int) -> int:
    """Rename or merge the first of these addresses, and return the last that is done."""
    changed = [address for address in rows if address.new_key != address.key]
    taken = await _ids(connection, changed)
    done = after
    for address in rows:
        if address.new_key != address.key:
            other = taken.get(address.place)
            if other is not None:
                # A merge is a separate piece, or several.
                return done if done > after else await _merge(connection, address, other, after)
            await _rename(connection, address)
            taken[address.place] = address.id
        done = address.id
    return done


async def _next(connection: ReadConnection, after: int) -> Sequence[_Parsed]:
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
        _Parsed(id_, district_id, kind, key, _read(kind, key, country))
        for id_, district_id, kind, key, country in await connection.execute(statement)
    ]


def _read(kind: AddressKind, key: str, country: str) -> str:
    """Return the key of an address by the current rules."""
    if key.startswith(UNREADABLE):
        return key
    mode = _MODE[kind]
    try:
        return normalise(mode, key, country=country).key
    except InvalidAddress:
        return unreadable(mode, key).key


async def _ids(connection: ReadConnection, changed: Sequence[_Parsed]) -> dict[_Place, int]:
    """Return the addresses that have the new keys already, by their places."""
    if not changed:
        return {}
    statement = select(ADDRESS.c.id, ADDRESS.c.district_id, ADDRESS.c.kind, ADDRESS.c.key).where(
        # Explicit for the index, which begins with district and kind.
        any_of(ADDRESS.c.district_id, sorted({address.district_id for address in changed})),
        ADDRESS.c.kind.in_(sorted(_MODE)),
        text_any_of(ADDRESS.c.key, sorted({address.new_key for address in changed})),
    )
    return {(row[1], row[2], row[3]): row[0] for row in await connection.execute(statement)}


async def _rename(connection: WriteConnection, address: _Parsed) -> None:
    await connection.execute(
        update(ADDRESS)
        .where(ADDRESS.c.id == address.id)
        .values(key=address.new_key, is_readable=address.is_readable)
    )


async def _merge(connection: WriteConnection, address: _Parsed, other: int, after: int) -> int:
    """Move deliveries of `address` to `other`, or finish it if none is left to move; return the id up to which all is done."""
    if await _move(connection, address.id, other):
        return after
    await _keep_opt_out(connection, address.id, other)
    await states.recount(connection, {address.id, other})
    is_used = await connection.scalar(select(exists().where(DELIVERY.c.address_id == address.id)))
    if is_used:
        await connection.execute(
            update(ADDRESS)
            .where(ADDRESS.c.id == address.id)
            .values(same_as=other, is_readable=address.is_readable)
        )
    else:
        await connection.execute(delete(ADDRESS).where(ADDRESS.c.id == address.id))
    return address.id


async def _move(connection: WriteConnection, from_id: int, to_id: int) -> bool:
    """Move the deliveries of some messages from one address to another; return whether there were any.

    Messages with deliveries to both addresses stay, and messages with a claimed delivery, because the process with the
    claim identifies it by its address.
    """
    movable = select(DELIVERY.c.message_id).distinct().where(_may_move(from_id, to_id))
    first = movable.order_by(DELIVERY.c.message_id).limit(MESSAGES)
    ids = list(await connection.scalars(first))
    if not ids:
        return False
    locks = select(MESSAGE.c.id).where(any_of(MESSAGE.c.id, ids)).order_by(MESSAGE.c.id)
    await connection.execute(locks.with_for_update(key_share=True))
    # Select again under the locks, because a delivery may have been claimed before.
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


async def _keep_opt_out(connection: WriteConnection, from_id: int, to_id: int) -> None:
    """Copy an opt-out from one spelling to the other, so that a later opt-in of the other clears it."""
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
