"""The statements for figures over many messages: from the sums of months and days, and for all other days from the messages.

A message that is filtered by more than school and type, or grouped by sender, is in no sum; all days are read from messages then.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    distinct,
    func,
    literal,
    or_,
    select,
    union_all,
)

from db.derived.figures.figure_sums import instants_of
from db.derived.figures.message_figures import DAY
from db.log.messages import select_by
from db.log.visibility import Visibility
from db.search.criteria import Criteria
from db.search.index_choice import DAYS
from db.search.search import Search
from db.sql.index_hints import by_index
from db.sql.key_lists import any_of, text_any_of
from db.tables.figures import ALL_TYPES, DISTRICT_WIDE, FIGURE, FIGURE_DELAY, FIGURE_SUM, Span
from db.tables.log import MESSAGE
from domain.figures import MOST_ROWS, NO_DELAY, SPANS, DayCoverage, DayRange, FigureDimension
from domain.status import DeliveryStatus


class FigureQuery(NamedTuple):
    """What figures to return."""

    days: DayRange
    criteria: Criteria
    visibility: Visibility
    group_by: Sequence[FigureDimension]

    @property
    def has_sums(self) -> bool:
        """Whether the sums of days and months hold what is asked for."""
        plain = Criteria(
            self.criteria.created_from,
            self.criteria.created_until,
            types=self.criteria.types,
            schools=self.criteria.schools,
            district_wide=self.criteria.district_wide,
        )
        return self.criteria == plain and FigureDimension.SENDER not in self.group_by


class FigureParts(NamedTuple):
    """What the statements of one query are made of."""

    query: FigureQuery
    coverage: DayCoverage
    search: Search
    hint: str | None
    """The index by which SQLite finds the messages of a search that has no sums."""
    dialect: str


STATUSES: Final = {
    "delivered": DeliveryStatus.DELIVERED,
    "sent": DeliveryStatus.SENT,
    "failed": DeliveryStatus.FAILED,
    "canceled": DeliveryStatus.CANCELED,
    "opted_out": DeliveryStatus.OPTED_OUT,
}
_NUMBERS: Final = ("deliveries", *STATUSES, "messages", "newest")


def rows_statement(parts: FigureParts) -> Select[Any]:
    """Return the statement for the rows, with the number of rows in each."""
    sources = [_from_sums(parts, *one) for one in _conditions(parts, FIGURE_SUM)]
    sources += [_from_messages(parts, days) for days in parts.coverage.messages]
    every = union_all(*sources).subquery("every")
    dimensions = [every.c[dimension.value] for dimension in parts.query.group_by]
    sums = [func.sum(every.c[name]).label(name) for name in _NUMBERS if name != "newest"]
    statement: Select[Any] = (
        select(*dimensions, *sums, func.max(every.c.newest).label("newest"))
        .add_columns(func.count().over().label("total"))
        .group_by(*dimensions)
        .having(func.sum(every.c.deliveries) > 0)
        .limit(MOST_ROWS)
    )
    return statement


def is_within(day: ColumnElement[str], days: DayRange) -> ColumnElement[bool]:
    """Return the condition that a day, as `2020-01-31`, is one of these."""
    # PostgreSQL does not parse the COLLATE that SQLAlchemy writes behind a value of BETWEEN.
    return and_(day >= str(days.first), day <= str(days.last))


def medians_statement(parts: FigureParts) -> Select[Any]:
    """Return the statement for the median delay of each row that has delays: dimensions, bucket."""
    sources: list[Select[Any]] = []
    for condition, factor in _conditions(parts, FIGURE_DELAY):
        columns = (FIGURE_DELAY.c.delay, (FIGURE_DELAY.c.deliveries * factor).label("deliveries"))
        dimensions = _dimensions(parts, _of_sums(FIGURE_DELAY))
        sources.append(select(*dimensions, *columns).where(condition))
    for days in parts.coverage.messages:
        dimensions = _dimensions(parts, _OF_MESSAGES)
        of_figure = FIGURE.c["delay", "deliveries"]
        sources.append(_select_messages(parts, days, *dimensions, *of_figure))
    every = union_all(*sources).subquery("every")
    keys = [every.c[dimension.value] for dimension in parts.query.group_by]
    # Not limited to rows with a delay: where those are rare, PostgreSQL would look for them in the whole table.
    count = func.sum(case((every.c.delay == NO_DELAY, 0), else_=every.c.deliveries))
    histogram = (
        select(*keys, every.c.delay, count.label("count"))
        .group_by(*keys, every.c.delay)
        .subquery("histogram")
    )
    group = [histogram.c[dimension.value] for dimension in parts.query.group_by]
    up_to = func.sum(histogram.c.count).over(partition_by=group, order_by=histogram.c.delay)
    total = func.sum(histogram.c.count).over(partition_by=group)
    ranked = select(*group, histogram.c.delay, up_to.label("up_to"), total.label("total")).subquery(
        "ranked"
    )
    names = [ranked.c[dimension.value] for dimension in parts.query.group_by]
    medians: Select[Any] = select(*names, func.min(ranked.c.delay))
    return medians.where(ranked.c.total > 0, ranked.c.up_to * 2 >= ranked.c.total).group_by(*names)


def _from_sums(parts: FigureParts, condition: ColumnElement[bool], factor: int) -> Select[Any]:
    group_by = parts.query.group_by
    level = {
        (True, True): "messages",
        (True, False): "messages_of_mode",
        (False, True): "messages_of_gateway",
        (False, False): "messages_of_all",
    }[FigureDimension.MODE in group_by, FigureDimension.PROVIDER in group_by]
    dimensions = _dimensions(parts, _of_sums(FIGURE_SUM))
    return (
        select(
            *dimensions,
            *(
                func.sum(FIGURE_SUM.c[name] * factor).label(name)
                for name in ("deliveries", *STATUSES)
            ),
            func.sum(FIGURE_SUM.c[level] * factor).label("messages"),
            literal(0).label("newest"),
        )
        .where(condition)
        .group_by(*(dimension.element for dimension in dimensions))
    )


def _from_messages(parts: FigureParts, days: DayRange) -> Select[Any]:
    dimensions = _dimensions(parts, _OF_MESSAGES)
    counts = {
        name: func.sum(case((FIGURE.c.status == status, FIGURE.c.deliveries), else_=0))
        for name, status in STATUSES.items()
    }
    return _select_messages(
        parts,
        days,
        *dimensions,
        func.sum(FIGURE.c.deliveries).label("deliveries"),
        *(count.label(name) for name, count in counts.items()),
        func.count(distinct(FIGURE.c.message_id)).label("messages"),
        func.max(FIGURE.c.message_id).label("newest"),
    ).group_by(*(dimension.element for dimension in dimensions))


def _select_messages(
    parts: FigureParts, days: DayRange, *columns: ColumnElement[Any]
) -> Select[Any]:
    """Return a statement over the figures of the messages that were found, created on these days."""
    if parts.query.has_sums:
        begin, end = instants_of(*days)
        hint: str | None = by_index("message_by_created")
        found = and_(
            parts.search.where(leaving_out=DAYS),
            MESSAGE.c.created_at.between(begin, end),
            is_within(DAY, days),
        )
    else:
        hint, found = parts.hint, parts.search.where()
    joined = select_by(hint, *columns).join(FIGURE, FIGURE.c.message_id == MESSAGE.c.id)
    return joined.where(found, FIGURE.c.deliveries > 0)


def _conditions(parts: FigureParts, table: FromClause) -> Sequence[tuple[ColumnElement[bool], int]]:
    """Return the conditions of the sums that are added (1) or subtracted (-1): of months, of days, of changed days."""
    criteria, visibility = parts.query.criteria, parts.query.visibility
    months = [str(month) for month in parts.coverage.months]
    chosen = [table.c.district_id == visibility.district.id]
    if visibility.school_ids is not None:
        chosen.append(any_of(table.c.school_id, visibility.school_ids))
    if criteria.types is not None:
        chosen.append(text_any_of(table.c.type_code, criteria.types))
    if criteria.schools is not None:
        whole = [DISTRICT_WIDE] if criteria.district_wide else []
        chosen.append(any_of(table.c.school_id, [*criteria.schools, *whole]))
    elif criteria.district_wide is not None:
        is_whole = table.c.school_id == DISTRICT_WIDE
        chosen.append(is_whole if criteria.district_wide else ~is_whole)
    conditions: list[tuple[ColumnElement[bool], int]] = []
    if months:
        of_months = [table.c.span == Span.MONTH, text_any_of(table.c.first_day, months)]
        if table is FIGURE_DELAY:
            has_types = criteria.types is not None or FigureDimension.TYPE in parts.query.group_by
            is_all = table.c.type_code == ALL_TYPES
            of_months.append(~is_all if has_types else is_all)
        conditions.append((and_(*chosen, *of_months), 1))
    for ranges, factor in ((parts.coverage.days, 1), (parts.coverage.subtracted, -1)):
        if ranges:
            is_one = or_(*(is_within(table.c.first_day, days) for days in ranges))
            conditions.append((and_(*chosen, table.c.span == Span.DAY, is_one), factor))
    return conditions


# The dimensions


_Columns = Mapping[str, ColumnElement[Any]]

_OF_MESSAGES: Final[_Columns] = {
    "day": DAY,
    "school": func.coalesce(MESSAGE.c.school_id, DISTRICT_WIDE),
    "type": MESSAGE.c.type_code,
    "sender": MESSAGE.c.sender_id,
    "mode": FIGURE.c.mode,
    "provider": FIGURE.c.gateway,
}


def _of_sums(table: FromClause) -> _Columns:
    return {
        "day": table.c.first_day,
        "school": table.c.school_id,
        "type": table.c.type_code,
        "mode": table.c.mode,
        "provider": table.c.gateway,
    }


def _dimensions(parts: FigureParts, columns: _Columns) -> Sequence[Any]:
    """Return the expressions of the dimensions, each with the name of its dimension."""
    return [
        _dimension(dimension, columns, parts.dialect).label(dimension.value)
        for dimension in parts.query.group_by
    ]


def _dimension(dimension: FigureDimension, columns: _Columns, dialect: str) -> ColumnElement[Any]:
    if dimension not in SPANS:
        return columns[dimension.value.lower()]
    day = columns["day"]
    if dimension is FigureDimension.MONTH:
        return func.substr(day, 1, 7) + "-01"
    if dimension is FigureDimension.DAY:
        return day
    if dialect == "sqlite":
        return func.date(day, "weekday 0", "-6 days")
    form = "YYYY-MM-DD"
    return func.to_char(func.date_trunc("week", func.to_date(day, form)), form)
