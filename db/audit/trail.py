"""Reads the audit of one district, in pages or by id. `db.audit.entries` writes it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from db.audit.entries import Action
from db.sql.connections import ReadConnection
from db.sql.cursors import Term
from db.sql.key_lists import any_of
from db.sql.keyset_paging import Order, Slice
from db.sql.rows import RecordColumns
from db.tables.operations import AUDIT
from domain.paging import Page


class AuditRecord(NamedTuple):
    """One audited action: when (UTC), by whom, what, on which id, from which IP address, in which request, how many messages."""

    id: int
    at: datetime
    viewer_id: str
    viewer_name: str | None
    action: Action
    subject: str
    origin: str | None
    request_id: str | None
    messages: int | None


class TrailFilter(NamedTuple):
    """A filter for entries: each part that is not None must match; `between` is [first, second)."""

    district_id: int
    viewer_id: str | None = None
    action: Action | None = None
    subject: str | None = None
    between: tuple[datetime, datetime] | None = None


def newest_first(wanted: TrailFilter) -> Order:
    """Return the order by time, the latest first; entries of the same time by id, descending."""
    terms = (Term("AT", AUDIT.c.at, descending=True), Term("ID", AUDIT.c.id, descending=True))
    return Order(terms, scope=f"audit: {wanted}")


async def page_of(
    connection: ReadConnection, wanted: TrailFilter, *, order: Order, page: Page
) -> Slice[AuditRecord]:
    """Return the page of the entries that pass the filter. Raises `BadUserInput` for a cursor of another list."""
    statement = _READING.select().where(AUDIT.c.district_id == wanted.district_id)
    if wanted.viewer_id is not None:
        statement = statement.where(AUDIT.c.viewer_id == wanted.viewer_id)
    if wanted.subject is not None:
        statement = statement.where(AUDIT.c.subject == wanted.subject)
    if wanted.action is Action.OTHER:
        statement = statement.where(AUDIT.c.action.not_in([known.value for known in Action]))
    elif wanted.action is not None:
        statement = statement.where(AUDIT.c.action == wanted.action)
    if wanted.between is not None:
        begin, end = wanted.between
        statement = statement.where(AUDIT.c.at >= begin, AUDIT.c.at < end)
    keys = order.cursors.page(page)
    paged = order.apply(statement, _READING, keys)
    rows = (await connection.execute(paged, keys.values)).all()
    return order.cut(rows, keys, _READING)


async def entries(
    connection: ReadConnection, ids: Sequence[int], *, district_id: int
) -> Mapping[int, AuditRecord]:
    """Return the entries of a district with these ids."""
    statement = _READING.select().where(any_of(AUDIT.c.id, ids), AUDIT.c.district_id == district_id)
    return {row.id: _record(*row) for row in await connection.execute(statement)}


def _record(*values: Any) -> AuditRecord:
    record = AuditRecord(*values)
    return record._replace(action=_KNOWN.get(record.action, Action.OTHER))


_KNOWN: Final[Mapping[str, Action]] = {action.value: action for action in Action}
_READING: Final = RecordColumns(_record, {name: AUDIT.c[name] for name in AuditRecord._fields})
