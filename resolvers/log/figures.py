"""Figures over many messages."""

from collections.abc import Sequence

from db.derived.figures.figure_rows import FigureRecord, find_figures
from db.derived.figures.figure_statements import FigureQuery
from domain.figures import DayRange, FigureDimension, require_figures, require_rows
from domain.viewer import Right
from resolvers.messages import MessageFilter, criteria_of
from resolvers.request.arguments import DateRange
from resolvers.request.context import Info, fields_read


async def figures(
    info: Info,
    *,
    created_between: DateRange,
    filter: MessageFilter | None = None,
    group_by: list[FigureDimension],
) -> Sequence[FigureRecord]:
    """The figures of the messages that a search finds. Raises `BadUserInput` and `Forbidden`."""
    context = info.context
    context.viewer.require(Right.VIEW_LOG)
    criteria = criteria_of(context, created_between, filter or MessageFilter())
    days = DayRange(created_between.from_, created_between.to)
    require_figures(*days, group_by=group_by)
    read = fields_read(info, FigureRecord)
    async with context.database.snapshot() as connection:
        found = await find_figures(
            connection,
            FigureQuery(days, criteria, context.visibility, group_by),
            with_medians=read is None or "median_seconds" in read,
        )
    require_rows(found.total)
    return found.rows
