"""Receipts that match no delivery: stored once, counted when repeated, listed, and deleted when old.

`delivery.receipts.matching` finds the reason.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

import orjson
from sqlalchemy import delete, func, select

from db.sql.connections import ReadConnection, WriteConnection
from db.sql.upsert import insert_into
from db.tables.operations import UNMATCHED_RECEIPT
from domain.receipts import Mismatch, Unmatched
from domain.status import DeliveryStatus

MOST_KEPT: Final = 100_000
"""The most stored rows: if other senders share the mail domain, their receipts come too and must not fill the disk."""

_COLUMNS: Final = UNMATCHED_RECEIPT.c


class KeptReceipt(NamedTuple):
    """A stored receipt that matches no delivery."""

    gateway: str
    reason: Mismatch
    times: int
    first_received_at: datetime
    received_at: datetime
    at: datetime
    status: DeliveryStatus | None
    code: int | None
    confirmed: bool
    detail: str | None
    delivery_key: str | None
    reference: str | None
    address: str | None


async def keep(
    connection: WriteConnection, gateway: str, unmatched: Sequence[Unmatched], *, now: datetime
) -> None:
    """Store receipts of one gateway; count one that is stored already."""
    times = Counter(_digest(gateway, one) for one in unmatched)
    by_digest = {_digest(gateway, one): one for one in unmatched}
    if not by_digest:
        return
    # In one order everywhere, so that two transactions with the same receipts cannot deadlock.
    rows = [
        _row(gateway, by_digest[digest], now) | {"digest": digest, "times": times[digest]}
        for digest in sorted(by_digest)
    ]
    insertion = insert_into(connection, UNMATCHED_RECEIPT).values(rows)
    await connection.execute(
        insertion.on_conflict_do_update(
            index_elements=[_COLUMNS.digest],
            set_={
                "times": _COLUMNS.times + insertion.excluded.times,
                "received_at": insertion.excluded.received_at,
            },
        )
    )


async def count_since(connection: ReadConnection, since: datetime) -> int:
    """Return how many different receipts were received since an instant, including repeated old ones."""
    statement = select(func.count()).where(_COLUMNS.received_at >= since)
    return await connection.scalar(statement.select_from(UNMATCHED_RECEIPT)) or 0


async def count(connection: ReadConnection) -> int:
    """Return how many different receipts are stored."""
    return await connection.scalar(select(func.count()).select_from(UNMATCHED_RECEIPT)) or 0


async def latest(connection: ReadConnection, *, most: int) -> Sequence[KeptReceipt]:
    """Return the last received receipts, the latest first."""
    statement = select(*(_COLUMNS[field] for field in KeptReceipt._fields))
    statement = statement.order_by(_COLUMNS.received_at.desc(), _COLUMNS.id.desc()).limit(most)
    return [KeptReceipt(*row) for row in await connection.execute(statement)]


async def forget(connection: WriteConnection, *, before: datetime, most: int = MOST_KEPT) -> int:
    """Delete receipts that were last received before an instant, and the oldest beyond `most`; return how many."""
    table = UNMATCHED_RECEIPT
    old = await connection.execute(delete(table).where(_COLUMNS.received_at < before))
    surplus = select(_COLUMNS.id).order_by(_COLUMNS.id.desc()).offset(most).limit(1)
    above = await connection.execute(delete(table).where(_COLUMNS.id <= surplus.scalar_subquery()))
    return old.rowcount + above.rowcount


def _row(gateway: str, unmatched: Unmatched, now: datetime) -> dict[str, object]:
    receipt = unmatched.receipt
    return {
        "gateway": gateway,
        "reason": unmatched.reason,
        "first_received_at": now,
        "received_at": now,
        "at": receipt.at,
        "status": receipt.status,
        "code": receipt.code,
        "confirmed": receipt.confirmed,
        "detail": receipt.detail,
        "delivery_key": receipt.key,
        "reference": receipt.reference,
        "address": receipt.address,
    }


def _digest(gateway: str, unmatched: Unmatched) -> str:
    """Return the hash of a receipt without its reason, which may change with the log."""
    return sha256(orjson.dumps([gateway, *unmatched.receipt])).hexdigest()
