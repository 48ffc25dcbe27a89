"""Rows of figures over many messages, with rates, medians, and the names of types and senders."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from sqlalchemy import select

from db.derived.figures.figure_statements import (
    STATUSES,
    FigureParts,
    FigureQuery,
    is_within,
    medians_statement,
    rows_statement,
)
from db.search import facets
from db.search.search import prepare
from db.sql.connections import ReadConnection
from db.sql.key_lists import any_of
from db.tables.figures import FIGURE_CHANGE, NO_GATEWAY
from db.tables.log import MESSAGE
from domain.figures import (
    MOST_ROWS,
    SPANS,
    DayCoverage,
    FigureDimension,
    cover,
    failure_rate,
    middle_of,
)
from domain.status import DeliveryMode


class FigureRecord(NamedTuple):
    """The figures of one group of deliveries; a dimension that they are not grouped by is None."""

    first_day: date | None
    """Of the day, the week or the month."""
    school_id: int | None
    """None too if the messages were sent for the whole district."""
    type_code: str | None
    type_label: str | None
    sender_id: str | None
    sender_name: str | None
    mode: DeliveryMode | None
    provider: str | None
    """None too if no provider has had the deliveries."""
    messages: int
    deliveries: int
    delivered: int
    sent: int
    failed: int
    canceled: int
    opted_out: int
    pending: int
    failure_rate: float | None
    median_seconds: int | None


class FoundFigures(NamedTuple):
    """Rows of figures, at most `MOST_ROWS`, and how many there are in all."""

    rows: Sequence[FigureRecord]
    total: int


async def find_figures(
    connection: ReadConnection, query: FigureQuery, *, with_medians: bool
) -> FoundFigures:
    """Return the figures of the visible messages, in the order of the dimensions. Call it in a snapshot.

    Without `with_medians` the medians are None. If there are too many rows, only their number is returned.
    """
    coverage = await _coverage(connection, query)
    search = await prepare(connection, query.criteria, visibility=query.visibility)
    hint = await search.indexes.to_count(connection)
    parts = FigureParts(query, coverage, search, hint, connection.dialect.name)
    rows = (await connection.execute(rows_statement(parts), search.values)).all()
    if not rows or rows[0].total > MOST_ROWS:
        return FoundFigures([], rows[0].total if rows else 0)
    names = [dimension.value for dimension in query.group_by]
    keys = [tuple(row[: len(names)]) for row in rows]
    medians = await _medians(connection, parts) if with_medians else {}
    types: Mapping[str, str] = {}
    senders: Mapping[str, str] = {}
    if FigureDimension.TYPE in query.group_by:
        kinds = await facets.types(connection, visibility=query.visibility)
        types = {kind.code: kind.label for kind in kinds}
    if FigureDimension.SENDER in query.group_by:
        senders = await _sender_names(connection, [row.newest for row in rows])
    records = [
        _record(dict(zip(names, key, strict=True)), row, medians.get(key), types, senders)
        for key, row in zip(keys, rows, strict=True)
    ]
    return FoundFigures(sorted(records, key=_place(query.group_by)), len(records))


async def _coverage(connection: ReadConnection, query: FigureQuery) -> DayCoverage:
    if not query.has_sums:
        return DayCoverage([], [], [], [query.days])
    changed = (
        select(FIGURE_CHANGE.c.day)
        .where(
            FIGURE_CHANGE.c.district_id == query.visibility.district.id,
            is_within(FIGURE_CHANGE.c.day, query.days),
        )
        .group_by(FIGURE_CHANGE.c.day)
        .order_by(FIGURE_CHANGE.c.day)
    )
    days = [date.fromisoformat(day) for day in await connection.scalars(changed)]
    is_by_day = {FigureDimension.DAY, FigureDimension.WEEK}.intersection(query.group_by)
    return cover(query.days, days, by_month=not is_by_day)


async def _medians(connection: ReadConnection, parts: FigureParts) -> Mapping[tuple[Any, ...], int]:
    """Return the median delay of each row that has delays, in seconds."""
    rows = await connection.execute(medians_statement(parts), parts.search.values)
    # Without dimensions there is one row, also if nothing has a delay.
    return {tuple(row[:-1]): middle_of(row[-1]) for row in rows if row[-1] is not None}


def _record(
    key: Mapping[str, Any],
    row: Any,
    median: int | None,
    types: Mapping[str, str],
    senders: Mapping[str, str],
) -> FigureRecord:
    day = next((key[span.value] for span in SPANS if span.value in key), None)
    counts = {name: int(getattr(row, name)) for name in ("messages", "deliveries", *STATUSES)}
    outcomes = counts["delivered"] + counts["sent"] + counts["failed"]
    open_or_stopped = counts["deliveries"] - outcomes
    return FigureRecord(
        first_day=None if day is None else date.fromisoformat(day),
        school_id=key.get("SCHOOL") or None,
        type_code=key.get("TYPE"),
        type_label=types.get(key.get("TYPE", "")),
        sender_id=key.get("SENDER"),
        sender_name=senders.get(key.get("SENDER", "")),
        mode=key.get("MODE"),
        provider=None if key.get("PROVIDER") == NO_GATEWAY else key.get("PROVIDER"),
        **counts,
        pending=open_or_stopped - counts["canceled"] - counts["opted_out"],
        failure_rate=failure_rate(counts["failed"], outcomes),
        median_seconds=median,
    )


_PLACES: Final[Mapping[FigureDimension, Callable[[FigureRecord], Any]]] = {
    **dict.fromkeys(SPANS, lambda one: one.first_day),
    FigureDimension.SCHOOL: lambda one: (one.school_id is None, one.school_id or 0),
    FigureDimension.TYPE: lambda one: one.type_code,
    FigureDimension.SENDER: lambda one: one.sender_id,
    FigureDimension.MODE: lambda one: list(DeliveryMode).index(one.mode or DeliveryMode.INBOX),
    FigureDimension.PROVIDER: lambda one: (one.provider is None, one.provider or ""),
}
"""What sorts the rows of each dimension: schools by id, those without a value last."""


def _place(group_by: Sequence[FigureDimension]) -> Callable[[FigureRecord], Any]:
    places = [_PLACES[dimension] for dimension in group_by]
    return lambda one: [place(one) for place in places]


async def _sender_names(
    connection: ReadConnection, message_ids: Sequence[int]
) -> Mapping[str, str]:
    """Return the names of senders, from the newest message of each."""
    rows = await connection.execute(
        select(*MESSAGE.c["sender_id", "sender_name"])
        .where(any_of(MESSAGE.c.id, message_ids))
        .order_by(MESSAGE.c.id)
    )
    return {row.sender_id: row.sender_name for row in rows}
