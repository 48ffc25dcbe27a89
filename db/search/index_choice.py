"""By which index SQLite reads the messages that a search finds.

It keeps no figures that tell a day from a year or a word from a letter, so where that matters the rows are counted before,
in an index and only up to a limit. PostgreSQL keeps figures and is told nothing. Which messages are found is in `db.search.search`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.log.text_match import FEW
from db.sql.index_hints import BY_ROWID, by_index
from db.tables.log import MESSAGE

MANY: Final = 20_000
"""Rows that are counted, and sorted, as quickly as a page is found by walking the log in another order."""

DAYS: Final = "created"
"""The part of a search that is always there: the days in which a message was created."""


class Lead(NamedTuple):
    """An index that leads to the messages of one part of a search within its days."""

    index_name: str
    where: ColumnElement[bool]
    in_order: bool
    """One value is asked for: the messages come as they were created, and need no sorting to be shown so."""


class Walk(NamedTuple):
    """An index in which the log stands in the order asked for; worth walking where more than `beyond` rows are in question."""

    index_name: str
    beyond: int = MANY


class Routes(NamedTuple):
    """The ways to what a search finds: by part, or straight by the numbers of rows that are known already."""

    leads: Mapping[str, Lead]
    are_rows_known: bool
    values: Mapping[str, Any]
    """Those of the search, with which the leads are asked."""

    async def to_count(
        self, connection: AsyncConnection, *, leaving_out: str | None = None
    ) -> str | None:
        """The hint for a statement that reads all that is found, whatever the part `leaving_out` says."""
        if connection.dialect.name != "sqlite":
            return None
        if self.are_rows_known:
            return BY_ROWID
        leads = [lead for part, lead in self.leads.items() if part != leaving_out]
        return by_index(await self._shortest(connection, leads, limit=MANY))

    async def to_page(self, connection: AsyncConnection, *, walk: Walk | None) -> str | None:
        """The hint for a statement that reads one page in an order in which the index of `walk` stands, if any does."""
        if connection.dialect.name != "sqlite":
            return None
        if self.are_rows_known:
            return BY_ROWID
        days = self.leads[DAYS]
        others = [lead for part, lead in self.leads.items() if part != DAYS]
        if walk is None or walk.index_name != days.index_name:
            if walk is None:
                return by_index(await self._shortest(connection, [days, *others], limit=MANY))
            return by_index(
                await self._shortest(
                    connection, [days, *others], limit=walk.beyond, otherwise=walk.index_name
                )
            )
        if in_order := [lead for lead in others if lead.in_order]:
            return by_index(await self._shortest(connection, in_order, limit=FEW))
        return by_index(
            await self._shortest(connection, others, limit=FEW, otherwise=days.index_name)
        )

    async def _shortest(
        self,
        connection: AsyncConnection,
        leads: Sequence[Lead],
        *,
        limit: int,
        otherwise: str | None = None,
    ) -> str:
        """The index that leads to the fewest rows; `otherwise`, where one is given and all lead to more than `limit`."""
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
