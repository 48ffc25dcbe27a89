"""The sums of days and months, made from the figures of messages some time after those changed.

The sums of a day are exact unless one of its messages is in `figure_change`; those of a month are always the sum of its days.
So a reader knows which days it must read from the messages instead, whatever was or was not summed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, TextClause, bindparam, delete, func, select, text, tuple_

from db.derived.figures.message_figures import DAY
from db.sql.column_types import Instant
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.key_lists import any_of
from db.sql.statement_files import read_statements
from db.tables.figures import ALL_TYPES, FIGURE_CHANGE, FIGURE_DELAY, FIGURE_SUM, Span
from db.tables.log import DISTRICT, MESSAGE
from domain.figures import ONE_DAY

SUMS_LOCK: Final = 0x5E47107
"""The key of PostgreSQL's advisory lock for making sums: two processes could otherwise write an older sum over a newer one."""

FARTHEST: Final = timedelta(hours=26)
"""More than any time zone differs from UTC."""

_COUNTS: Final[Mapping[Table, tuple[str, ...]]] = {
    table: tuple(c.name for c in table.c if not c.primary_key)
    for table in (FIGURE_SUM, FIGURE_DELAY)
}


class FigureDay(NamedTuple):
    """A local day of a district."""

    district_id: int
    day: str
    """As `2020-01-31`."""


def instants_of(first: date, last: date) -> tuple[datetime, datetime]:
    """Return two instants between which these local days lie, in whatever time zone."""
    midnights = (datetime.combine(day, time.min, UTC) for day in (first, last + ONE_DAY))
    begin, end = midnights
    return begin - FARTHEST, end + FARTHEST


async def changed_days(
    connection: ReadConnection, *, after: FigureDay | None, most: int
) -> Sequence[FigureDay]:
    """Return the next days after a day whose sums differ from the figures of their messages, in order."""
    place = FIGURE_CHANGE.c["district_id", "day"]
    statement = select(*place).group_by(*place).order_by(*place).limit(most)
    if after is not None:
        statement = statement.where(tuple_(*place) > tuple_(*after))
    return [FigureDay(*row) for row in await connection.execute(statement)]


async def sum_day(connection: WriteConnection, one: FigureDay, *, now: datetime) -> bool:
    """Replace the sums of a day, and add the difference to its month. Return whether it was done.

    It is not done while another process sums, while a message of the day is being changed, or if one is not visible at `now`.
    A message that is changed or imported meanwhile stays in `figure_change`, because only locked ones are removed from it.
    """
    if connection.dialect.name == "postgresql":
        lock = select(func.pg_try_advisory_xact_lock(SUMS_LOCK))
        if not await connection.scalar(lock):
            return False
    of_day = (FIGURE_CHANGE.c.district_id == one.district_id) & (FIGURE_CHANGE.c.day == one.day)
    changed = (await connection.scalars(select(FIGURE_CHANGE.c.message_id).where(of_day))).all()
    # A transaction that changes a message holds this lock until its commit, so locked messages have their final figures.
    locked = await connection.execute(
        select(MESSAGE.c.id, MESSAGE.c.visible_from)
        .where(any_of(MESSAGE.c.id, changed))
        .order_by(MESSAGE.c.id)
        .with_for_update(key_share=True, skip_locked=True)
    )
    visible = [row.id for row in locked if row.visible_from <= now]
    if len(visible) < len(changed):
        return False
    await _add_to_month(connection, one, factor=-1)
    for table, statement in zip((FIGURE_SUM, FIGURE_DELAY), _day_sums(), strict=True):
        await connection.execute(
            delete(table).where(
                table.c.district_id == one.district_id,
                table.c.span == Span.DAY,
                table.c.first_day == one.day,
            )
        )
        columns = ", ".join(column.name for column in table.c)
        insertion = text(f"INSERT INTO {table.name} ({columns}) {statement}")
        await connection.execute(insertion.bindparams(*_INSTANTS), _parameters(one))
    await _add_to_month(connection, one, factor=1)
    await connection.execute(
        delete(FIGURE_CHANGE).where(any_of(FIGURE_CHANGE.c.message_id, visible))
    )
    return True


async def _add_to_month(connection: WriteConnection, one: FigureDay, *, factor: int) -> None:
    """Add the sums of a day, times `factor`, to those of its month, and delete what is 0 then."""
    month = {"district": one.district_id, "month": f"{one.day[:7]}-01"}
    for table in (FIGURE_SUM, FIGURE_DELAY):
        for addition in _additions(table):
            await connection.execute(addition, {**month, "day": one.day, "factor": factor})
        await connection.execute(
            delete(table).where(
                table.c.district_id == one.district_id,
                table.c.span == Span.MONTH,
                table.c.first_day == month["month"],
                table.c.deliveries == 0,
            )
        )


@cache
def _additions(table: Table) -> Sequence[TextClause]:
    """Return the statements that add the sums of a day, times `factor`, to a month: by type, and delays of all types too."""
    keys = [column.name for column in table.primary_key]
    counts = _COUNTS[table]
    same = ", ".join(key for key in keys if key not in ("district_id", "span", "first_day"))
    selections = {same: same}
    if table is FIGURE_DELAY:
        selections[same.replace("type_code", f"'{ALL_TYPES}'")] = same.replace("type_code, ", "")
    return [
        text(
            f"INSERT INTO {table.name} (district_id, span, first_day, {same}, {', '.join(counts)}) "
            f"SELECT district_id, 'MONTH', CAST(:month AS text), {selection}, "
            f"{', '.join(f'sum({name}) * CAST(:factor AS integer)' for name in counts)} FROM {table.name} "
            "WHERE district_id = :district AND span = 'DAY' AND first_day = :day "
            f"GROUP BY district_id, {group} "
            f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET "
            + ", ".join(f"{name} = {table.name}.{name} + excluded.{name}" for name in counts)
        )
        for selection, group in selections.items()
    ]


_INSTANTS: Final = (bindparam("begin", type_=Instant), bindparam("end", type_=Instant))


@cache
def _day_sums() -> Sequence[str]:
    """Return the statements that count the rows of `figure_sum` and `figure_delay` of one day."""
    return [one.text for one in read_statements(Path(__file__).with_name("day_sums.sql"))]


def _parameters(one: FigureDay) -> Mapping[str, Any]:
    day = date.fromisoformat(one.day)
    begin, end = instants_of(day, day)
    return {"district": one.district_id, "day": one.day, "begin": begin, "end": end}


# Recounts


async def all_days(connection: ReadConnection) -> Sequence[FigureDay]:
    """Return every day that has messages or sums, in order. Reads the whole log."""
    of_messages = select(MESSAGE.c.district_id, DAY).distinct()
    of_sums = select(*FIGURE_SUM.c["district_id", "first_day"]).where(FIGURE_SUM.c.span == Span.DAY)
    rows = await connection.execute(of_messages.union(of_sums))
    return sorted(FigureDay(*row) for row in rows)


async def differing_counts(connection: ReadConnection, one: FigureDay) -> Sequence[tuple[int, int]]:
    """Return stored and counted deliveries of each sum of a day that differs from the messages; none if the day has changed.

    Call it in a snapshot.
    """
    of_day = (FIGURE_CHANGE.c.district_id == one.district_id) & (FIGURE_CHANGE.c.day == one.day)
    if await connection.scalar(select(FIGURE_CHANGE.c.message_id).where(of_day).limit(1)):
        return []
    differing: list[tuple[int, int]] = []
    for table, statement in zip((FIGURE_SUM, FIGURE_DELAY), _day_sums(), strict=True):
        width = len(table.primary_key)
        counted = await connection.execute(text(statement).bindparams(*_INSTANTS), _parameters(one))
        stored = await connection.execute(
            select(table).where(
                table.c.district_id == one.district_id,
                table.c.span == Span.DAY,
                table.c.first_day == one.day,
            )
        )
        differing += _differing(_by_key(stored, width), _by_key(counted, width))
    return differing


async def differing_months(connection: ReadConnection) -> Sequence[tuple[FigureDay, int, int]]:
    """Return the first day of each month whose sums differ from those of its days, with the stored and counted deliveries."""
    found: list[tuple[FigureDay, int, int]] = []
    for table in (FIGURE_SUM, FIGURE_DELAY):
        width = len(table.primary_key)
        month = (func.substr(table.c.first_day, 1, 7) + "-01").label("month")
        same = [column for column in table.primary_key if column.name not in ("span", "first_day")]
        counts = [func.sum(table.c[name]) for name in _COUNTS[table]]
        sides = []
        for span in (Span.MONTH, Span.DAY):
            rows = await connection.execute(
                select(month, table.c.span, *same, *counts)
                .where(table.c.span == span)
                .group_by(month, table.c.span, *same)
            )
            sides.append({(row[0], *row[2:width]): tuple(row[width:]) for row in rows})
        stored, counted = sides
        if table is FIGURE_DELAY:
            counted |= _of_all_types(counted)
        for key in sorted(stored.keys() | counted.keys(), key=str):
            pair = stored.get(key, (0,)), counted.get(key, (0,))
            if pair[0] != pair[1]:
                found.append((FigureDay(key[1], key[0]), pair[0][0], pair[1][0]))
    return found


def _of_all_types(counts: Mapping[tuple[Any, ...], tuple[int, ...]]) -> dict[Any, tuple[int]]:
    """Return the delays of months, whose keys begin with month, district, school and type, summed over the types."""
    sums = Counter[tuple[Any, ...]]()
    for (month, district_id, school_id, _, *rest), (count,) in counts.items():
        sums[month, district_id, school_id, ALL_TYPES, *rest] += count
    return {key: (count,) for key, count in sums.items()}


def _by_key(rows: Any, width: int) -> Mapping[tuple[Any, ...], tuple[int, ...]]:
    return {tuple(map(str, row[:width])): tuple(map(int, row[width:])) for row in rows}


def _differing(
    stored: Mapping[tuple[Any, ...], tuple[int, ...]],
    counted: Mapping[tuple[Any, ...], tuple[int, ...]],
) -> list[tuple[int, int]]:
    keys = sorted(stored.keys() | counted.keys())
    pairs = [(stored.get(key, (0,)), counted.get(key, (0,))) for key in keys]
    return [(one[0], other[0]) for one, other in pairs if one != other]


async def district_name(connection: ReadConnection, district_id: int) -> str:
    """Return the external id of a district."""
    statement = select(DISTRICT.c.external_id).where(DISTRICT.c.id == district_id)
    return str(await connection.scalar(statement))
