"""Checks the states of all addresses against their deliveries: a slow and obvious recount."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from db.connect.database import Database
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import ADDRESS, DELIVERY, MESSAGE
from domain.delivery_failures import failure_of
from domain.modes import PHONE_MODES
from domain.status import DeliveryMode, DeliveryStatus

ORDER: Final = ["INVALID", "CANNOT_TEXT", "COMPLAINED", "OPTED_OUT", "UNREACHABLE"]


def is_arrival(row: Any) -> bool:
    """Return whether a delivery reached its address."""
    if row.mode in PHONE_MODES:
        return row.confirmed or row.call_status in (5, 6, 13, -27, -28)
    if row.mode is DeliveryMode.EMAIL and row.gateway in ("mailgun", "simulator"):
        return row.status is DeliveryStatus.DELIVERED
    return row.status in (DeliveryStatus.SENT, DeliveryStatus.DELIVERED)


def is_failure(row: Any) -> bool:
    """Return whether a delivery failed to reach its address."""
    return row.status is DeliveryStatus.FAILED and not is_arrival(row) and row.failure != "repeated"


def expected(rows: list[Any], opted_out_at: datetime | None) -> dict[str, Any] | None:
    """Return what must be stored of an address with these deliveries; None if it has no row."""
    firsts = [row for row in rows if not row.is_duplicate]
    arrivals = [row.time for row in firsts if is_arrival(row)]
    failures = sorted((row for row in firsts if is_failure(row)), key=lambda row: row.place)
    complaints = [row.complained_at for row in rows if row.complained_at is not None]
    if not failures and not complaints and opted_out_at is None:
        return None
    reached = max(arrivals, default=None)
    run = [row for row in failures if reached is None or row.time > reached]
    complained = max(complaints, default=None)
    problems: dict[str, datetime] = {}
    for row in reversed(run):
        shown = failure_of(row.mode, row.gateway, call_status=row.call_status, code=row.failure)
        if shown.kind is not None:
            problems[shown.kind.value] = row.time
    best = min(problems, key=ORDER.index, default=None)
    problems = {} if best is None else {best: problems[best]}
    if complained is not None and (reached is None or complained >= reached):
        problems["COMPLAINED"] = min(complained, problems.get("COMPLAINED", complained))
    if opted_out_at is not None and problems.get("OPTED_OUT", opted_out_at) >= opted_out_at:
        problems["OPTED_OUT"] = opted_out_at
    if len(run) >= 3 and len({row.message_id for row in run}) >= 2:
        problems["UNREACHABLE"] = run[0].time
    kind = min(problems, key=ORDER.index, default=None)
    return {
        "last_reached_at": reached,
        "last_failed_at": failures[-1].time if failures else None,
        "failures": len(run),
        "in_several": len({row.message_id for row in run}) > 1,
        "complained_at": complained,
        "last": failures[-1].place[1:] if failures else (None, None, None),
        "kind": kind,
        "since": problems[kind] if kind else None,
    }


class _Delivery:
    """A delivery with its time."""

    def __init__(self, row: Any, scheduled_at: datetime) -> None:
        self.__dict__.update(row._mapping)
        self.time = row.at or scheduled_at
        self.place = (self.time, row.message_id, row.recipient_number, row.number)


async def recount_addresses(database: Database) -> None:
    """Fail unless the state of every address follows from its deliveries."""
    async with database.reading() as connection:
        addresses = (await connection.execute(select(ADDRESS))).all()
        scheduled = {
            row.id: row.scheduled_at
            for row in await connection.execute(select(MESSAGE.c.id, MESSAGE.c.scheduled_at))
        }
        rows = (await connection.execute(select(DELIVERY))).all()
        stored = {
            row.address_id: {
                "last_reached_at": row.last_reached_at,
                "last_failed_at": row.last_failed_at,
                "failures": row.failures,
                "in_several": row.in_several,
                "complained_at": row.complained_at,
                "last": (row.last_message_id, row.last_recipient_number, row.last_number),
                "kind": row.kind and row.kind.value,
                "since": row.since,
            }
            for row in await connection.execute(select(ADDRESS_FAILURES))
        }
    of: dict[int, list[Any]] = {address.id: [] for address in addresses}
    for row in rows:
        of[row.address_id].append(_Delivery(row, scheduled[row.message_id]))
    counted = {
        address.id: state
        for address in addresses
        if (state := expected(of[address.id], address.opted_out_at)) is not None
    }
    assert stored == counted
