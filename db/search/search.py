"""A search made ready to run: its predicates, its values and the indexes for it.

`db.search.criteria` has the parts that need no look-up in the database.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, literal, or_, select, union, union_all

from db.log.message_words import has_phrases, has_words, messages_with_words
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
    PartKind,
    Shape,
    needles,
    predicate,
    predicates,
    shape_and_values,
)
from db.search.index_choice import IndexChoice, Lead
from db.sql.connections import ReadConnection
from db.sql.key_lists import any_of, is_there
from db.tables.log import ADDRESS, DELIVERY, MESSAGE, RECIPIENT
from domain.search import fold
from domain.words import TextQuery

MOMENT: Final = timedelta(microseconds=1)
"""The smallest difference between two instants."""


class Search(NamedTuple):
    """A search made ready: its predicates by part, so that the counts of a drop-down can leave out its own part.

    Execute a statement with them with `values`.
    """

    visibility: Visibility
    parts: Mapping[str, ColumnElement[bool]]
    indexes: IndexChoice
    values: Mapping[str, Any]
    shape: Shape | None
    """None if the predicates contain values, so that the statement cannot be cached."""

    def where(self, *, leaving_out: str | None = None) -> ColumnElement[bool]:
        """Return the condition of the search, without the part `leaving_out`."""
        return where(self.parts, leaving_out=leaving_out)

    def days_beyond(self, edge: datetime, *, falls: bool) -> Mapping[str, datetime]:
        """Return the values of the days of the search on one side of `edge`, which lies within them.

        The page has this bound from its cursor too, but SQLite may start its scan at the bound of the days.
        """
        begin, end = self.values[FROM], self.values[UNTIL]
        if falls:
            end = edge + MOMENT if edge < end else end
        else:
            begin = max(begin, edge)
        return {FROM: begin, UNTIL: end}

    async def with_own_messages(self, connection: ReadConnection) -> "Search":
        """Return the search with the ids of the viewer's own messages, if they are few; it has the part `MINE`.

        PostgreSQL expects every sender to have sent about as much. For a sender with no messages it would scan the whole
        log in the requested order. In the order of creation it uses the index of senders.
        """
        if connection.dialect.name != "postgresql":
            return self
        own = select(MESSAGE.c.id).where(self.indexes.leads[MINE].where).limit(FEW + 1)
        ids = (await connection.scalars(own, self.values)).all()
        return self if len(ids) > FEW else self.with_part("own", PartKind.SOME, ids)

    def with_part(self, part: str, kind: PartKind, value: object) -> "Search":
        """Return the search with one more part."""
        return self._replace(
            parts={**self.parts, part: predicate(part, kind)},
            values={**self.values, part: value},
            shape=None if self.shape is None else (*self.shape, (part, kind)),
        )

    def within(self, column: ColumnElement[Any], condition: ColumnElement[bool]) -> "Search":
        """Return the search limited by `condition`, which depends only on the values of `column`."""
        group = Lead(
            _BY_VALUE[column],
            and_(MESSAGE.c.district_id == self.visibility.district.id, condition),
            in_order=False,
        )
        leads = {**self.indexes.leads, f"within {column.key}": group}
        return self._replace(
            parts={**self.parts, f"within {column.key}": condition},
            indexes=self.indexes._replace(leads=leads),
            shape=None,
        )


_BY_VALUE: Final[Mapping[ColumnElement[Any], str]] = {
    MESSAGE.c.status_rank: "message_by_status",
    MESSAGE.c.type_key: "message_by_type",
    MESSAGE.c.school_up: "message_by_school",
    MESSAGE.c.school_down: "message_by_school_down",
}
"""The index that finds the messages of a value of each column."""


def where(
    parts: Mapping[str, ColumnElement[bool]], *, leaving_out: str | None = None
) -> ColumnElement[bool]:
    """Return the condition that all parts hold, without the part `leaving_out`."""
    return and_(*(predicate for part, predicate in parts.items() if part != leaving_out))


def without_look_up(criteria: Criteria, *, visibility: Visibility) -> Search | None:
    """Return the search for PostgreSQL, which needs no look-up first; None if it is for a recipient or for words."""
    if criteria.recipient or criteria.text:
        return None
    return _base(criteria, visibility, has_short=True)


def _base(criteria: Criteria, visibility: Visibility, *, has_short: bool) -> Search:
    """Return the search without look-ups; if `has_short`, with a part for PostgreSQL's index of short texts."""
    shape, values = shape_and_values(criteria, visibility=visibility)
    parts, leads = predicates(shape)
    indexes = IndexChoice(leads, are_rows_known=False, values=values)
    search = Search(visibility, parts, indexes, values, shape)
    short = short_among(needles(criteria)) if has_short else None
    return search.with_part("short", PartKind.SHORT, short) if short else search


async def prepare(
    connection: ReadConnection, criteria: Criteria, *, visibility: Visibility
) -> Search:
    """Return the search for the visible messages that match `criteria`."""
    is_postgresql = connection.dialect.name == "postgresql"
    search = _base(criteria, visibility, has_short=is_postgresql)
    ids = None if is_postgresql else await few_messages(connection, needles(criteria))
    if are_known := ids is not None:
        search = search.with_part("ids", PartKind.SOME, ids)
    if criteria.recipient:
        sent_to, is_list = await _sent_to(connection, criteria.recipient, visibility=visibility)
        search = search._replace(parts={**search.parts, "recipient": sent_to}, shape=None)
        are_known = are_known or is_list
    if criteria.text:
        with_words, is_list = await _with_words(connection, criteria.text)
        search = search._replace(parts={**search.parts, "text": with_words}, shape=None)
        are_known = are_known or is_list
    return search._replace(indexes=search.indexes._replace(are_rows_known=are_known))


# Words


async def _with_words(
    connection: ReadConnection, query: TextQuery
) -> tuple[ColumnElement[bool], bool]:
    """Return the condition that a message has the words of a query, and whether it is a list of few messages.

    A long list is compared with the index that is in the order of the page, which is quicker than reading each of its rows.
    """
    ids = await messages_with_words(connection, query, few=FEW)
    if ids is None:
        return has_words(connection, query), False
    listed = any_of(MESSAGE.c.id, ids)
    condition = and_(listed, has_phrases(query)) if query.phrases else listed
    return condition, len(ids) <= FEW


# Recipients


async def _sent_to(
    connection: ReadConnection, typed: str, *, visibility: Visibility
) -> tuple[ColumnElement[bool], bool]:
    """Return the condition that a name or address of a message's recipients, or a student's name, contains `typed`.

    Also returns whether the condition is a list of messages, which it is on SQLite if they are few.
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
    conditions = []
    if people is None:
        conditions.append(_has_recipient(contains(RECIPIENT.c.key, needle)))
    if addresses is None:
        conditions.append(_has_delivery(ADDRESS.c.id == DELIVERY.c.address_id, in_address(typed)))
    if not conditions and (few := await _few_of(connection, lists)) is not None:
        return any_of(MESSAGE.c.id, few), True
    if people or addresses or not conditions:
        conditions.append(MESSAGE.c.id.in_(union(*lists)))
    return or_(*conditions), False


async def _few_of(connection: ReadConnection, lists: Sequence[Select[Any]]) -> Sequence[int] | None:
    """Return the messages that these statements select, if SQLite finds few; None otherwise, and on PostgreSQL."""
    if connection.dialect.name != "sqlite":
        return None
    limited = [
        select(literal(place), rows.distinct().limit(FEW + 1).subquery().c.message_id)
        for place, rows in enumerate(lists)
    ]
    rows = (await connection.execute(union_all(*limited))).all()
    counts = Counter(place for place, _ in rows)
    return None if max(counts.values(), default=0) > FEW else sorted({row[1] for row in rows})


def _has_recipient(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return is_there(select(literal(1)).where(RECIPIENT.c.message_id == MESSAGE.c.id, *conditions))


def _has_delivery(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return is_there(select(literal(1)).where(DELIVERY.c.message_id == MESSAGE.c.id, *conditions))
