"""People as records: contacts and students, who belongs to whom, and what they were sent.

Everything is limited to visible messages. `db.search.people` finds people by texts.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, ColumnElement, Select, and_, func, select, true

from db.log.recipients import READING, RecipientRecord
from db.log.visibility import Visibility, visible
from db.sql.connections import ReadConnection
from db.sql.cursors import Term
from db.sql.key_lists import any_of
from db.sql.keyset_paging import Order, Slice, slices
from db.tables.log import MESSAGE, PERSON, RECIPIENT
from domain.paging import Page
from domain.people import Role


class PersonRecord(NamedTuple):
    """A contact, with the name in the newest visible message."""

    id: int
    external_id: str
    name: str


class StudentRecord(NamedTuple):
    """A student. In a recipient's row the name is that of its message, and the external id is not read."""

    id: int
    external_id: str | None
    name: str


class _Columns(NamedTuple):
    """The columns of a recipient that hold the people of one role."""

    id: Column[Any]
    name: Column[Any]


_OF_ROLE: Final[Mapping[Role, _Columns]] = {
    Role.CONTACT: _Columns(RECIPIENT.c.person_id, RECIPIENT.c.name),
    Role.STUDENT: _Columns(RECIPIENT.c.student_id, RECIPIENT.c.student_name),
}


def created_between(instants: tuple[datetime, datetime] | None) -> ColumnElement[bool]:
    """Return the condition that a message was created in [first, second); None: any message."""
    if instants is None:
        return true()
    return and_(MESSAGE.c.created_at >= instants[0], MESSAGE.c.created_at < instants[1])


def is_of(person_id: Any, role: Role) -> ColumnElement[bool]:
    """Return the condition that a recipient is this contact, or is about this student."""
    return and_(_OF_ROLE[role].id == person_id)


def by_time(scope: str, *, descending: bool) -> Order:
    """Return the order of a person's list by the creation of its messages."""
    terms = (
        Term("CREATED_AT", MESSAGE.c.created_at, descending=descending),
        Term("MESSAGE", RECIPIENT.c.message_id, descending=descending),
        Term("NUMBER", RECIPIENT.c.number, descending=descending),
    )
    return Order(terms, scope=scope)


async def pages_of_people(
    connection: ReadConnection,
    person_ids: Sequence[int],
    *,
    role: Role,
    created: ColumnElement[bool],
    visibility: Visibility,
    order: Order,
    page: Page,
) -> Mapping[int, Slice[RecipientRecord]]:
    """Return the same page of the visible messages to each of these contacts, or about each of these students."""

    def of(person_id: Any) -> Select[Any]:
        return (
            READING.select()
            .join(MESSAGE, MESSAGE.c.id == RECIPIENT.c.message_id)
            .where(is_of(person_id, role), visible(visibility), created)
        )

    return await slices(connection, person_ids, of=of, order=order, page=page, reading=READING)


async def counts_of_people(
    connection: ReadConnection,
    person_ids: Sequence[int],
    *,
    role: Role,
    created: ColumnElement[bool],
    visibility: Visibility,
) -> Mapping[int, int]:
    """Return how many rows of visible messages each of these people has; a person with none is left out."""
    column = _OF_ROLE[role].id
    statement = (
        select(column, func.count())
        .join(MESSAGE, MESSAGE.c.id == RECIPIENT.c.message_id)
        .where(any_of(column, person_ids), visible(visibility), created)
        .group_by(column)
    )
    return dict((await connection.execute(statement)).all())


async def contacts(
    connection: ReadConnection, person_ids: Sequence[int], *, visibility: Visibility
) -> Mapping[int, PersonRecord]:
    """Return those of these contacts to whom a visible message was sent."""
    rows = await _with_names(connection, person_ids, Role.CONTACT, visibility)
    return {row[0]: PersonRecord(*row) for row in rows}


async def students(
    connection: ReadConnection, person_ids: Sequence[int], *, visibility: Visibility
) -> Mapping[int, StudentRecord]:
    """Return those of these students about whom a visible message was sent."""
    rows = await _with_names(connection, person_ids, Role.STUDENT, visibility)
    return {row[0]: StudentRecord(*row) for row in rows}


async def related_people(
    connection: ReadConnection,
    person_ids: Sequence[int],
    *,
    role: Role,
    visibility: Visibility,
) -> Mapping[int, Sequence[int]]:
    """Return the students of each of these contacts, or the contacts of each of these students, by visible messages.

    Latest first: by the time at which the newest message to both was created. A person without any is left out.
    """
    other = Role.STUDENT if role is Role.CONTACT else Role.CONTACT
    one, related = _OF_ROLE[role].id, _OF_ROLE[other].id
    latest = (func.max(MESSAGE.c.created_at), func.max(RECIPIENT.c.message_id))
    statement = (
        select(one, related)
        .join(MESSAGE, MESSAGE.c.id == RECIPIENT.c.message_id)
        .where(any_of(one, person_ids), related.is_not(None), visible(visibility))
        .group_by(one, related)
        .order_by(*(column.desc() for column in latest), related.desc())
    )
    lists: dict[int, list[int]] = defaultdict(list)
    for person_id, related_id in await connection.execute(statement):
        lists[person_id].append(related_id)
    return lists


async def _with_names(
    connection: ReadConnection, person_ids: Sequence[int], role: Role, visibility: Visibility
) -> Sequence[Sequence[Any]]:
    """Return id, external id and newest visible name of the people of this role who have a visible message."""
    columns = _OF_ROLE[role]
    name = (
        select(columns.name)
        .join(MESSAGE, MESSAGE.c.id == RECIPIENT.c.message_id)
        .where(columns.id == PERSON.c.id, visible(visibility))
        .order_by(RECIPIENT.c.message_id.desc(), RECIPIENT.c.number.desc())
        .limit(1)
        .correlate(PERSON)
        .scalar_subquery()
    )
    statement = select(PERSON.c.id, PERSON.c.external_id, name).where(
        any_of(PERSON.c.id, person_ids), PERSON.c.role == role
    )
    return [row for row in await connection.execute(statement) if row[2] is not None]
