"""Which messages a search finds: each part of it as a predicate, and the ways that lead there."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    and_,
    literal,
    or_,
    select,
    union,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from db.keys import any_of, is_there, text_any_of
from db.needles import (
    FEW,
    contains,
    few_addresses,
    few_messages,
    few_people,
    in_address,
    is_storable,
    short_parts,
)
from db.routes import DAYS, Lead, Routes
from db.sight import Sight, visible
from db.tables import ADDRESS, DELIVERY, MESSAGE, RECIPIENT
from domain.search import fold
from domain.status import MessageStatus

_MINE: Final = "mine"
"""The part of a search that asks for what the viewer sent."""

MOMENT: Final = timedelta(microseconds=1)
"""The least difference of two instants."""


class Criteria(NamedTuple):
    """A search: every part that is not None must hold. Instants are UTC, schools our ids, texts folded.

    `recipient` is as it was typed: an address keeps the accents that a name loses.
    """

    created_from: datetime
    created_until: datetime
    """Excluded."""
    statuses: Sequence[MessageStatus] | None = None
    types: Sequence[str] | None = None
    schools: Sequence[int] | None = None
    district_wide: bool | None = None
    subject: str | None = None
    sender: str | None = None
    created_text: str | None = None
    scheduled_text: str | None = None
    schedule_id: str | None = None
    sender_id: str | None = None
    recipient: str | None = None


class Search(NamedTuple):
    """A search made ready: predicates by the part they come from, so that a drop-down can leave out its own."""

    sight: Sight
    days: tuple[datetime, datetime]
    parts: Mapping[str, ColumnElement[bool]]
    routes: Routes

    def where(self, *, leaving_out: str | None = None) -> ColumnElement[bool]:
        """Whether a message is found, whatever the part `leaving_out` says."""
        return and_(*(predicate for part, predicate in self.parts.items() if part != leaving_out))

    def beyond(self, edge: datetime, *, falls: bool) -> "Search":
        """The search within those of its days that lie on one side of `edge`, which is one of them.

        A page says it of its cursor already, but of two bounds SQLite may take that of the days, and walk from there.
        """
        begin, end = self.days
        if falls:
            end = edge + MOMENT if edge < end else end
        else:
            begin = max(begin, edge)
        return self._replace(
            days=(begin, end), parts={**self.parts, DAYS: _created_within(begin, end)}
        )

    async def told(self, connection: AsyncConnection) -> "Search":
        """The search with the viewer's own messages named, where it asks for these and they are few.

        PostgreSQL takes every sender to have sent about as much: for one who sent nothing it walks the whole log in the
        order asked for, to find fifty. In the order of creation the index of senders leads it.
        """
        lead = self.routes.leads.get(_MINE)
        if lead is None or connection.dialect.name != "postgresql":
            return self
        own = select(MESSAGE.c.id).where(lead.where).limit(FEW + 1)
        ids = (await connection.scalars(own)).all()
        if len(ids) > FEW:
            return self
        return self._replace(parts={**self.parts, "own": any_of(MESSAGE.c.id, ids)})

    def within(self, column: ColumnElement[Any], such: ColumnElement[bool]) -> "Search":
        """The search among those messages of which `such` holds, which says something of the values of `column` alone."""
        group = Lead(
            _BY_VALUE[column],
            and_(MESSAGE.c.district_id == self.sight.district.id, such),
            in_order=False,
        )
        leads = {**self.routes.leads, f"within {column.key}": group}
        return self._replace(
            parts={**self.parts, f"within {column.key}": such},
            routes=self.routes._replace(leads=leads),
        )


_BY_VALUE: Final[Mapping[ColumnElement[Any], str]] = {
    MESSAGE.c.status_rank: "message_by_status",
    MESSAGE.c.type_key: "message_by_type",
    MESSAGE.c.school_up: "message_by_school",
    MESSAGE.c.school_down: "message_by_school_down",
}
"""The index that leads to the messages of a value of each column."""


def _created_within(begin: datetime, end: datetime) -> ColumnElement[bool]:
    return and_(MESSAGE.c.created_at >= begin, MESSAGE.c.created_at < end)


async def prepare(connection: AsyncConnection, criteria: Criteria, *, sight: Sight) -> Search:
    """The search for `criteria` among what `sight` sees."""
    chosen = _chosen(criteria)
    days = (criteria.created_from, criteria.created_until)
    needles = {
        name: needle
        for name, needle in (
            ("subject_key", criteria.subject),
            ("sender_key", criteria.sender),
            ("created_text", criteria.created_text),
            ("scheduled_text", criteria.scheduled_text),
            ("schedule_key", criteria.schedule_id),
        )
        if needle
    }
    parts = {
        "sight": visible(sight),
        DAYS: _created_within(*days),
        **{part: choice.where for part, choice in chosen.items()},
        **{name: contains(MESSAGE.c[name], needle) for name, needle in needles.items()},
    }
    are_known = False
    if (found := await few_messages(connection, needles)) is not None:
        parts["found"], are_known = any_of(MESSAGE.c.id, found), True
    elif needles and connection.dialect.name == "postgresql":
        parts["short"] = short_parts(needles)
    if criteria.recipient:
        parts["recipient"], is_list = await _sent_to(connection, criteria.recipient, sight=sight)
        are_known = are_known or is_list
    return Search(sight, days, parts, Routes(_leads(sight, parts[DAYS], chosen), are_known))


# What the drop-downs choose


class _Choice(NamedTuple):
    """A part of a search that an index answers; `is_one` where it asks for one value."""

    index_name: str
    where: ColumnElement[bool]
    is_one: bool = True


def _chosen(criteria: Criteria) -> Mapping[str, _Choice]:
    chosen: dict[str, _Choice] = {}
    if criteria.statuses is not None:
        statuses = [status.value for status in criteria.statuses]
        chosen["status"] = _of_statuses(statuses)
    if criteria.types is not None:
        types = [code for code in criteria.types if is_storable(code)]
        chosen["type"] = _one_of("message_of_type", MESSAGE.c.type_code, types)
    if criteria.schools is not None or criteria.district_wide is not None:
        chosen["school"] = _of_schools(criteria.schools, criteria.district_wide)
    if criteria.sender_id is not None:
        senders = [criteria.sender_id] if is_storable(criteria.sender_id) else []
        chosen[_MINE] = _one_of("message_of_sender", MESSAGE.c.sender_id, senders)
    return chosen


def _of_statuses(statuses: Sequence[str]) -> _Choice:
    """At one of these statuses; by their places too, for a log that is read in the order of status."""
    choice = _one_of("message_of_status", MESSAGE.c.status, statuses)
    places = [list(MessageStatus).index(MessageStatus(status)) for status in statuses]
    if not places:
        return choice
    between = MESSAGE.c.status_rank.between(min(places), max(places))
    return choice._replace(where=and_(choice.where, between))


def _one_of(index: str, column: Column[Any], values: Sequence[Any]) -> _Choice:
    if len(values) == 1:
        return _Choice(index, column == values[0])
    among = any_of if column is MESSAGE.c.school_id else text_any_of
    return _Choice(index, among(column, values), is_one=False)


def _of_schools(schools: Sequence[int] | None, district_wide: bool | None) -> _Choice:
    """Of these schools; `district_wide` adds what was sent for the district, or, without schools, asks for that alone."""
    index, column = "message_of_school", MESSAGE.c.school_id
    if schools is None:
        whole = column.is_(None) if district_wide else column.is_not(None)
        return _Choice(index, whole, is_one=bool(district_wide))
    some = _one_of(index, column, schools)
    if not district_wide:
        return some
    return _Choice(index, or_(some.where, column.is_(None)), is_one=False)


def _leads(
    sight: Sight, days: ColumnElement[bool], chosen: Mapping[str, _Choice]
) -> Mapping[str, Lead]:
    within = and_(MESSAGE.c.district_id == sight.district.id, days)
    choices = dict(chosen)
    if sight.school_ids is not None:
        choices["sight"] = _one_of("message_of_school", MESSAGE.c.school_id, sight.school_ids)
    return {DAYS: Lead("message_by_created", within, in_order=True)} | {
        part: Lead(choice.index_name, and_(within, choice.where), choice.is_one)
        for part, choice in choices.items()
    }


# Whom a message was sent to


async def _sent_to(
    connection: AsyncConnection, typed: str, *, sight: Sight
) -> tuple[ColumnElement[bool], bool]:
    """Whether a message was sent to, or about, somebody in whose name, or to an address in which, `typed` stands.

    And whether the predicate is a list of messages: on SQLite, if they are few.
    """
    people = await few_people(connection, typed, district_id=sight.district.id)
    addresses = await few_addresses(connection, typed, district_id=sight.district.id)
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
