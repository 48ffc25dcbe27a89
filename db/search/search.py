"""Which messages a search finds, and the ways that lead there.

What can be asked for is in `db.search.criteria`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, literal, or_, select, union, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from db.log.text_match import (
    FEW,
    contains,
    few_addresses,
    few_messages,
    few_people,
    in_address,
    short_among,
)
from db.log.visibility import Visibility
from db.search.criteria import (
    FROM,
    MINE,
    UNTIL,
    Criteria,
    Kind,
    Shape,
    asked,
    needles,
    predicate,
    predicates,
)
from db.search.index_choice import Lead, Routes
from db.sql.key_lists import any_of, is_there
from db.tables.log import ADDRESS, DELIVERY, MESSAGE, RECIPIENT
from domain.search import fold

MOMENT: Final = timedelta(microseconds=1)
"""The least difference of two instants."""


class Search(NamedTuple):
    """A search made ready: predicates by the part they come from, so that a drop-down can leave out its own.

    A statement of them is to be asked with `values`.
    """

    visibility: Visibility
    parts: Mapping[str, ColumnElement[bool]]
    routes: Routes
    values: Mapping[str, Any]
    shape: Shape | None
    """None where there are values in the predicates, so that a statement of them serves no other search."""

    def where(self, *, leaving_out: str | None = None) -> ColumnElement[bool]:
        """Whether a message is found, whatever the part `leaving_out` says."""
        return where(self.parts, leaving_out=leaving_out)

    def beyond(self, edge: datetime, *, falls: bool) -> "Search":
        """The search within those of its days that lie on one side of `edge`, which is one of them.

        A page says it of its cursor already, but of two bounds SQLite may take that of the days, and walk from there.
        """
        begin, end = self.values[FROM], self.values[UNTIL]
        if falls:
            end = edge + MOMENT if edge < end else end
        else:
            begin = max(begin, edge)
        return self._replace(values={**self.values, FROM: begin, UNTIL: end})

    async def told(self, connection: AsyncConnection) -> "Search":
        """The search with the viewer's own messages named, where it asks for these and they are few.

        PostgreSQL takes every sender to have sent about as much: for one who sent nothing it walks the whole log in the
        order asked for, to find fifty. In the order of creation the index of senders leads it.
        """
        lead = self.routes.leads.get(MINE)
        if lead is None or connection.dialect.name != "postgresql":
            return self
        own = select(MESSAGE.c.id).where(lead.where).limit(FEW + 1)
        ids = (await connection.scalars(own, self.values)).all()
        return self if len(ids) > FEW else self.that("own", Kind.SOME, ids)

    def that(self, part: str, kind: Kind, value: object) -> "Search":
        """The search with one part more."""
        return self._replace(
            parts={**self.parts, part: predicate(part, kind)},
            values={**self.values, part: value},
            shape=None if self.shape is None else (*self.shape, (part, kind)),
        )

    def within(self, column: ColumnElement[Any], such: ColumnElement[bool]) -> "Search":
        """The search among those messages of which `such` holds, which says something of the values of `column` alone."""
        group = Lead(
            _BY_VALUE[column],
            and_(MESSAGE.c.district_id == self.visibility.district.id, such),
            in_order=False,
        )
        leads = {**self.routes.leads, f"within {column.key}": group}
        return self._replace(
            parts={**self.parts, f"within {column.key}": such},
            routes=self.routes._replace(leads=leads),
            shape=None,
        )


_BY_VALUE: Final[Mapping[ColumnElement[Any], str]] = {
    MESSAGE.c.status_rank: "message_by_status",
    MESSAGE.c.type_key: "message_by_type",
    MESSAGE.c.school_up: "message_by_school",
    MESSAGE.c.school_down: "message_by_school_down",
}
"""The index that leads to the messages of a value of each column."""


def where(
    parts: Mapping[str, ColumnElement[bool]], *, leaving_out: str | None = None
) -> ColumnElement[bool]:
    """Whether all parts hold, whatever the part `leaving_out` says."""
    return and_(*(predicate for part, predicate in parts.items() if part != leaving_out))


def at_once(criteria: Criteria, *, visibility: Visibility) -> Search | None:
    """The search as PostgreSQL is asked, with nothing looked up before; None where it is for a recipient."""
    if criteria.recipient:
        return None
    return _by_short(_begun(criteria, visibility), needles(criteria))


def _begun(criteria: Criteria, visibility: Visibility) -> Search:
    shape, values = asked(criteria, visibility=visibility)
    parts, leads = predicates(shape)
    return Search(
        visibility, parts, Routes(leads, are_rows_known=False, values=values), values, shape
    )


def _by_short(search: Search, texts: Mapping[str, str]) -> Search:
    """The search by PostgreSQL's index of short texts, if there are any."""
    short = short_among(texts)
    return search.that("short", Kind.SHORT, short) if short else search


async def prepare(
    connection: AsyncConnection, criteria: Criteria, *, visibility: Visibility
) -> Search:
    """The search for `criteria` among what `visibility` sees."""
    search = _begun(criteria, visibility)
    texts = needles(criteria)
    are_known = False
    if connection.dialect.name == "postgresql":
        search = _by_short(search, texts)
    elif (found := await few_messages(connection, texts)) is not None:
        search, are_known = search.that("found", Kind.SOME, found), True
    if criteria.recipient:
        sent_to, is_list = await _sent_to(connection, criteria.recipient, visibility=visibility)
        search = search._replace(parts={**search.parts, "recipient": sent_to}, shape=None)
        are_known = are_known or is_list
    return search._replace(routes=search.routes._replace(are_rows_known=are_known))


# Whom a message was sent to


async def _sent_to(
    connection: AsyncConnection, typed: str, *, visibility: Visibility
) -> tuple[ColumnElement[bool], bool]:
    """Whether a message was sent to, or about, somebody in whose name, or to an address in which, `typed` stands.

    And whether the predicate is a list of messages: on SQLite, if they are few.
    """
    people = await few_people(connection, typed, district_id=visibility.district.id)
    addresses = await few_addresses(connection, typed, district_id=visibility.district.id)
    needle = fold(typed)
    lists: list[Select[Any]] = []
    if people is not None:
        named = select(RECIPIENT.c.message_id).where(contains(RECIPIENT.c.key, needle))
        lists.append(named.where(any_of(RECIPIENT.c.person_id, people)))
        lists.append(named.where(any_of(RECIPIENT.c.student_id, people)))
    if addresses is not None:
        addressed = any_of(DELIVERY.c.address_id, addresses)
        lists.append(select(DELIVERY.c.message_id).where(addressed))
    ways = []
    if people is None:
        ways.append(_has_recipient(contains(RECIPIENT.c.key, needle)))
    if addresses is None:
        ways.append(_has_delivery(ADDRESS.c.id == DELIVERY.c.address_id, in_address(typed)))
    if not ways and (few := await _few_of(connection, lists)) is not None:
        return any_of(MESSAGE.c.id, few), True
    if people or addresses or not ways:
        ways.append(MESSAGE.c.id.in_(union(*lists)))
    return or_(*ways), False


async def _few_of(
    connection: AsyncConnection, lists: Sequence[Select[Any]]
) -> Sequence[int] | None:
    """The messages that these statements select, if they are few; PostgreSQL's planner sees to it itself."""
    if connection.dialect.name != "sqlite":
        return None
    limited = [
        select(literal(place), rows.distinct().limit(FEW + 1).subquery().c.message_id)
        for place, rows in enumerate(lists)
    ]
    found = (await connection.execute(union_all(*limited))).all()
    counts = Counter(place for place, _ in found)
    return None if max(counts.values(), default=0) > FEW else sorted({row[1] for row in found})


def _has_recipient(*such: ColumnElement[bool]) -> ColumnElement[bool]:
    return is_there(select(literal(1)).where(RECIPIENT.c.message_id == MESSAGE.c.id, *such))


def _has_delivery(*such: ColumnElement[bool]) -> ColumnElement[bool]:
    return is_there(select(literal(1)).where(DELIVERY.c.message_id == MESSAGE.c.id, *such))
