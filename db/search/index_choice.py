"""The index by which SQLite reads the messages that a search finds.

SQLite has no statistics that distinguish a day from a year or a word from a letter. Where that matters, the rows in an
index are counted first, up to a limit. PostgreSQL has statistics and gets no hints.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, func, literal, select

from db.log.text_match import FEW
from db.sql.connections import ReadConnection
from db.sql.index_hints import BY_ROWID, by_index
from db.tables.log import MESSAGE

MANY: Final = 20_000
"""The number of rows that are counted and sorted as fast as a page is found by scanning the log in another order."""

DAYS: Final = "created"
"""The part that every search has: the days in which a message was created."""


class Lead(NamedTuple):
    """An index that finds the messages of one part of a search within its days."""

    index_name: str
    where: ColumnElement[bool]
    in_order: bool
    """Whether the part has one value, so that the index returns messages in the order of creation, without a sort."""


class Walk(NamedTuple):
    """An index in the requested order of the log; it is scanned if more than `beyond` rows match the other indexes."""

    index_name: str
    beyond: int = MANY


class IndexChoice(NamedTuple):
    """The indexes for a search, by part; or none, if the ids of its rows are known already."""

    leads: Mapping[str, Lead]
    are_rows_known: bool
    values: Mapping[str, Any]
    """The values of the search, for the predicates of the leads."""

    async def to_count(
        self, connection: ReadConnection, *, leaving_out: str | None = None
    ) -> str | None:
        """Return the hint for a statement that reads all messages of the search without the part `leaving_out`."""
        if connection.dialect.name != "sqlite":
            return None
        if self.are_rows_known:
            return BY_ROWID
        leads = [lead for part, lead in self.leads.items() if part != leaving_out]
        return by_index(await self._shortest(connection, leads, limit=MANY))

    async def to_page(self, connection: ReadConnection, *, walk: Walk | None) -> str | None:
        """Return the hint for a statement that reads one page; `walk` is the index in the order of the page, if any."""
        if connection.dialect.name != "sqlite":
            return None
        if self.are_rows_known:
            return BY_ROWID
        days = self.leads[DAYS]
        others = [lead for part, lead in self.leads.items() if part != DAYS]
        leads, limit, otherwise = [days, *others], MANY, None
        if walk is not None and walk.index_name == days.index_name:
            in_order = [lead for lead in others if lead.in_order]
            leads, limit = in_order or others, FEW
            otherwise = None if in_order else days.index_name
        elif walk is not None:
            limit, otherwise = walk.beyond, walk.index_name
        return by_index(await self._shortest(connection, leads, limit=limit, otherwise=otherwise))

    async def _shortest(
        self,
        connection: ReadConnection,
        leads: Sequence[Lead],
        *,
        limit: int,
        otherwise: str | None = None,
    ) -> str:
        """Return the index with the fewest matching rows; `otherwise`, if given and all have more than `limit`."""
        indexes = [lead.index_name for lead in leads]
        if not indexes and otherwise is not None:
            return otherwise
        if len(indexes) == 1 and otherwise is None:
            return indexes[0]
        counted = [
            select(func.count())
            .select_from(
                select(literal(1))
                .select_from(MESSAGE)
                .with_hint(MESSAGE, by_index(lead.index_name), "sqlite")
                .where(lead.where)
                .limit(limit + 1)
                .subquery()
            )
            .scalar_subquery()
            for lead in leads
        ]
        counts = (await connection.execute(select(*counted), self.values)).one()
        fewest, index = min(zip(counts, indexes, strict=True))
        return index if otherwise is None or fewest <= limit else otherwise
