"""Stores opt-outs from texts, so that later texts fail without a request: those of a person, and those reported with an outcome.

`delivery.receipts.receipts` handles STOP and START texts from a person.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import literal, select, update

from db.derived.addresses.states import share_failures
from db.dispatch.in_flight import LiveDelivery
from db.sql.connections import WriteConnection
from db.sql.key_lists import any_of
from db.sql.upsert import insert_into
from db.tables.log import ADDRESS, DISTRICT
from domain.addresses import InvalidAddress, normalise
from domain.call_status import OPTED_OUT
from domain.modes import AddressKind
from domain.status import DeliveryMode

BELIEVED_FOR: Final = timedelta(hours=1)
"""The greatest age of a report. With an older one, the person may have texted START since; the next text shows it."""


class Moved(Protocol):
    """A delivery before and after a change."""

    @property
    def before(self) -> LiveDelivery: ...
    @property
    def after(self) -> LiveDelivery: ...


async def remember(
    connection: WriteConnection, moves: Sequence[Moved], *, now: datetime
) -> Sequence[int]:
    """Record the numbers that opted out of texts according to these changes, in every district, as STOP does.

    Return the addresses that opted out.
    """
    address_ids = sorted({move.after.address_id for move in moves if _is_news(move, now)})
    if not address_ids:
        return ()
    numbers = await connection.scalars(
        select(ADDRESS.c.key).where(
            any_of(ADDRESS.c.id, address_ids), ADDRESS.c.opted_out_at.is_(None)
        )
    )
    return await store(connection, [(number, now) for number in numbers.all()])


async def store(
    connection: WriteConnection, consents: Iterable[tuple[str, datetime | None]]
) -> Sequence[int]:
    """Record in every district since when phone numbers are opted out of texts; None: that they opted in again.

    The last one of each number counts. A number is as the provider writes it, with its country code; anything else is
    ignored. A number to which nothing was sent yet gets an address, which its first message finds. Returns the addresses,
    whose states the caller updates.
    """
    last = {key: at for number, at in consents if (key := _key_of(number)) is not None}
    if not last:
        return ()
    # In one order everywhere, so that two transactions with the same numbers cannot deadlock.
    ordered = sorted(last.items())
    if connection.dialect.name == "postgresql":
        # An open import may have inserted a number, and later wait for all that share failures. So it is awaited before.
        for key, at in ordered:
            if at is not None:
                insertion = _in_every_district(connection, key, None)
                await connection.execute(insertion.on_conflict_do_nothing())
        await share_failures(connection)
    changed: list[int] = []
    for key, at in ordered:
        changed += await (_opt_in(connection, key) if at is None else _opt_out(connection, key, at))
    return changed


def _key_of(number: str) -> str | None:
    try:
        return normalise(DeliveryMode.TEXT, number).key
    except InvalidAddress:
        return None


async def _opt_in(connection: WriteConnection, key: str) -> Sequence[int]:
    cleared = await connection.scalars(
        update(ADDRESS)
        .where(
            # Explicit for the index, which begins with the district.
            ADDRESS.c.district_id.in_(select(DISTRICT.c.id)),
            ADDRESS.c.kind == AddressKind.PHONE,
            ADDRESS.c.key == key,
        )
        .values(opted_out_at=None)
        .returning(ADDRESS.c.id)
    )
    return cleared.all()


async def _opt_out(connection: WriteConnection, key: str, at: datetime) -> Sequence[int]:
    insertion = _in_every_district(connection, key, at)
    opted = await connection.scalars(
        insertion.on_conflict_do_update(
            index_elements=ADDRESS.c["district_id", "kind", "key"],
            set_={"opted_out_at": insertion.excluded.opted_out_at},
        ).returning(ADDRESS.c.id)
    )
    return opted.all()


def _in_every_district(connection: WriteConnection, key: str, at: datetime | None) -> Any:
    """Return the INSERT of an address for a phone number in each district; `at`: since when it is opted out."""
    columns = ADDRESS.c["district_id", "kind", "key", "opted_out_at"]
    values = zip((AddressKind.PHONE, key, at), columns[1:], strict=True)
    rows = select(DISTRICT.c.id, *(literal(value, column.type) for value, column in values))
    # Ordered, so that two of these statements cannot deadlock.
    return insert_into(connection, ADDRESS).from_select(columns, rows.order_by(DISTRICT.c.id))


def _is_news(move: Moved, now: datetime) -> bool:
    after = move.after
    return (
        after.mode is DeliveryMode.TEXT
        and after.call_status == OPTED_OUT != move.before.call_status
        and after.at is not None
        and now - after.at <= BELIEVED_FOR
    )
