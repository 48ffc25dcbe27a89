"""Which messages a search finds: each part of it as a predicate, and the quickest way to where a text stands.

A part of a text is looked for in a trigram index where that leads to few rows. Where it leads to many, the log is read
in its own order and most of what is read is found; which of the two it is, a probe tells before.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Dialect,
    String,
    and_,
    bindparam,
    exists,
    false,
    or_,
    select,
    text,
    union,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from db.keys import any_of, text_any_of
from db.sight import Sight, visible
from db.tables import ADDRESS, DELIVERY, MESSAGE, PERSON, PERSON_NAME, RECIPIENT
from domain.search import digits_of_phone
from domain.status import MessageStatus

FEW: Final = 2_000
"""Rows from an index that are worth looking up one by one; beyond, reading in the log's order is quicker."""

TRIGRAM: Final = 3


class Criteria(NamedTuple):
    """A search: every part that is not None must hold. Texts are folded, instants UTC, schools by our ids."""

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

    parts: Mapping[str, ColumnElement[bool]]

    def where(self, *, leaving_out: str | None = None) -> ColumnElement[bool]:
        """Whether a message is found, whatever the part `leaving_out` says."""
        return and_(*(predicate for part, predicate in self.parts.items() if part != leaving_out))


async def prepare(connection: AsyncConnection, criteria: Criteria, *, sight: Sight) -> Search:
    """The search for `criteria` among what `sight` sees."""
    parts: dict[str, ColumnElement[bool]] = {
        "sight": visible(sight),
        "created": and_(
            MESSAGE.c.created_at >= criteria.created_from,
            MESSAGE.c.created_at < criteria.created_until,
        ),
    }
    if criteria.statuses is not None:
        parts["status"] = text_any_of(
            MESSAGE.c.status, [status.value for status in criteria.statuses]
        )
    if criteria.types is not None:
        parts["type"] = text_any_of(MESSAGE.c.type_code, criteria.types)
    if criteria.schools is not None or criteria.district_wide is not None:
        parts["school"] = _of_schools(criteria.schools, criteria.district_wide)
    if criteria.sender_id is not None:
        parts["mine"] = MESSAGE.c.sender_id == criteria.sender_id
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
    for name, needle in needles.items():
        parts[name] = contains(MESSAGE.c[name], needle)
    if (found := await _few_messages(connection, needles)) is not None:
        parts["found"] = any_of(MESSAGE.c.id, found)
    if criteria.recipient:
        parts["recipient"] = await _sent_to(connection, criteria.recipient, sight=sight)
    return Search(parts)


def _of_schools(schools: Sequence[int] | None, district_wide: bool | None) -> ColumnElement[bool]:
    """Of these schools; `district_wide` adds what was sent for the district, or, without schools, asks for that alone."""
    whole = MESSAGE.c.school_id.is_(None)
    if schools is None:
        return whole if district_wide else MESSAGE.c.school_id.is_not(None)
    some = any_of(MESSAGE.c.school_id, schools)
    return or_(some, whole) if district_wide else some


async def _few_messages(
    connection: AsyncConnection, needles: Mapping[str, str]
) -> Sequence[int] | None:
    """The messages in whose texts the needles stand, if SQLite's index finds few; PostgreSQL's planner sees to it itself."""
    indexed = {name: needle for name, needle in needles.items() if len(needle) >= TRIGRAM}
    if not indexed or connection.dialect.name != "sqlite":
        return None
    match = " AND ".join(f"{name} : {_phrase(needle)}" for name, needle in indexed.items())
    statement = text(
        "SELECT rowid FROM message_trigrams WHERE message_trigrams MATCH :match LIMIT :few"
    )
    rows = (await connection.scalars(statement, {"match": match, "few": FEW + 1})).all()
    return rows if len(rows) <= FEW else None


async def _sent_to(
    connection: AsyncConnection, needle: str, *, sight: Sight
) -> ColumnElement[bool]:
    """Whether a message was sent to, or about, somebody whose name, or to an address in which, `needle` stands."""
    people = await _few(connection, PERSON_NAME.c.person_id, PERSON_NAME.c.key, needle, sight=sight)
    if people is None:
        named: ColumnElement[bool] = exists().where(
            RECIPIENT.c.message_id == MESSAGE.c.id, contains(RECIPIENT.c.key, needle)
        )
    elif people:
        columns = select(RECIPIENT.c.message_id).where(contains(RECIPIENT.c.key, needle))
        named = MESSAGE.c.id.in_(
            union(
                columns.where(any_of(RECIPIENT.c.person_id, people)),
                columns.where(any_of(RECIPIENT.c.student_id, people)),
            )
        )
    else:
        named = false()
    return or_(
        named,
        *[await _addressed(connection, wanted, sight=sight) for wanted in address_needles(needle)],
    )


def address_needles(needle: str) -> Sequence[str]:
    """What to look for in addresses: the text itself, and the digits of what reads as a phone number."""
    digits = digits_of_phone(needle)
    return [needle] if digits is None or digits == needle else [needle, digits]


async def _addressed(
    connection: AsyncConnection, needle: str, *, sight: Sight
) -> ColumnElement[bool]:
    addresses = await _few(connection, ADDRESS.c.id, ADDRESS.c.key, needle, sight=sight)
    if addresses is None:
        return exists().where(
            DELIVERY.c.message_id == MESSAGE.c.id,
            ADDRESS.c.id == DELIVERY.c.address_id,
            contains(ADDRESS.c.key, needle),
        )
    if not addresses:
        return false()
    return MESSAGE.c.id.in_(
        select(DELIVERY.c.message_id).where(any_of(DELIVERY.c.address_id, addresses))
    )


async def _few(
    connection: AsyncConnection, wanted: Column[Any], key: Column[Any], needle: str, *, sight: Sight
) -> Sequence[int] | None:
    """The people or addresses of the district in whose key `needle` stands; None where they are many."""
    statement = select(wanted).where(contains(key, needle)).limit(FEW + 1)
    if wanted.table is ADDRESS:
        statement = statement.where(ADDRESS.c.district_id == sight.district.id)
    else:
        statement = statement.join(PERSON, PERSON.c.id == PERSON_NAME.c.person_id).where(
            PERSON.c.district_id == sight.district.id
        )
    if connection.dialect.name == "sqlite" and len(needle) >= TRIGRAM:
        index = f"{key.table.name}_trigrams"
        row = text(f"{key.table.name}.id IN (SELECT rowid FROM {index} WHERE {index} MATCH :match)")
        statement = statement.where(row.bindparams(bindparam("match", _phrase(needle), String)))
    rows = (await connection.scalars(statement)).all()
    return rows if len(rows) <= FEW else None


def _phrase(needle: str) -> str:
    quoted = needle.replace('"', '""')
    return f'"{quoted}"'


class _Contains(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


def contains(key: Any, needle: str) -> ColumnElement[bool]:
    """Whether `needle` stands in the folded text `key`; `%` and `_` are plain characters."""
    return _Contains(key, bindparam(None, needle, _Needle(), unique=True))


class _Needle(TypeDecorator[str]):
    """A text to be found in another: on PostgreSQL a pattern, since only LIKE uses a trigram index."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name == "sqlite":
            return value
        return "%" + re.sub(r"([\\%_])", r"\\\1", value) + "%"


@compiles(_Contains, "sqlite")
def _contains_in_sqlite(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    key, needle = (compiler.process(clause, **options) for clause in element.clauses)
    return f"instr({key}, {needle}) > 0"


@compiles(_Contains, "postgresql")
def _contains_in_postgresql(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    key, needle = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{key} LIKE {needle}"
