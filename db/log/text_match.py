"""Where a text that somebody typed stands: in a column, and in the names and addresses of a district.

A needle that leads to few rows is looked up in a trigram index, one that leads to many is not worth it: which of the two
it is, a probe tells. What is made of the answer is in `db.search.search`.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import (
    ColumnElement,
    Dialect,
    String,
    Text,
    TextClause,
    bindparam,
    false,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeDecorator

from db.sql.key_lists import Predicate, is_there
from db.tables.log import ADDRESS, MESSAGE, PERSON, PERSON_NAME
from domain.invisible import without_invisible
from domain.search import digits_of_phone, fold

_DATES: Final = frozenset({MESSAGE.c.created_text, MESSAGE.c.scheduled_text})
_IN_DATES: Final = frozenset("0123456789/: amp")
"""The characters of a date as shown: with another one in it, a text is not looked for."""

MOST_PARTS: Final = 20_000
"""Parts of texts that begin with a short needle; where there are more, the needle is taken to be common."""

FEW: Final = 2_000
"""Rows from an index that are worth looking up one by one; beyond, reading in the log's order is quicker."""

TRIGRAM: Final = 3
"""Characters of which the indexes of texts are made. A shorter needle is looked up among their beginnings on SQLite, and on
PostgreSQL in an index of its own.
"""

_SHORT_PARTS: Final = func.short_parts(
    MESSAGE.c.subject_key.concat(func.chr(10))
    .concat(MESSAGE.c.sender_key)
    .concat(func.chr(10))
    .concat(func.coalesce(MESSAGE.c.schedule_key, "")),
    type_=ARRAY(Text),
)
_IN_SHORT_PARTS: Final = frozenset({"subject_key", "sender_key", "schedule_key"})


class _Contains(Predicate):
    inherit_cache = True


class _ContainsInAnyCase(Predicate):
    inherit_cache = True


class _Needle(TypeDecorator[str]):
    """A text to be found in another: on PostgreSQL a pattern, since only LIKE uses a trigram index."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name == "sqlite":
            return value
        return "%" + re.sub(r"([\\%_])", r"\\\1", value) + "%"


def contains(key: Any, needle: str) -> ColumnElement[bool]:
    """Whether `needle` stands in the folded text `key`; `%` and `_` are plain characters."""
    if not can_stand_in(key, needle):
        return false()
    return _Contains(key, bindparam(None, needle, _Needle(), unique=True))


def contains_parameter(key: Any, name: str) -> ColumnElement[bool]:
    """The same of the needle with which the statement is asked under this name, and which can stand there."""
    return _Contains(key, bindparam(name, type_=_Needle()))


def can_stand_in(key: Any, needle: str) -> bool:
    """Whether any folded text of that column could hold this one."""
    return is_storable(needle) and (key not in _DATES or _IN_DATES.issuperset(needle))


def in_address(typed: str) -> ColumnElement[bool]:
    """Whether what was typed stands in an address, in one of the ways in which an address is written."""
    return or_(false(), *(_in_any_case(needle) for needle in _address_needles(typed)))


def _in_any_case(needle: str) -> ColumnElement[bool]:
    return _ContainsInAnyCase(ADDRESS.c.key, bindparam(None, needle, _Needle(), unique=True))


def _address_needles(typed: str) -> Sequence[str]:
    """The text, as addresses are kept and as names are (an address keeps its accents), and the digits of a phone number."""
    as_kept = unicodedata.normalize("NFC", without_invisible(typed).casefold())
    needles = (as_kept, fold(typed), digits_of_phone(typed))
    return list(dict.fromkeys(needle for needle in needles if needle and is_storable(needle)))


def is_storable(text: str) -> bool:
    """Whether any text of the log can hold this one: JSON can say things that are no text to either engine."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


async def few_messages(
    connection: AsyncConnection, needles: Mapping[str, str]
) -> Sequence[int] | None:
    """The messages in whose columns the needles stand, if SQLite's index finds few; PostgreSQL's planner sees to it itself."""
    if not needles:
        return None
    if not all(map(is_storable, needles.values())):
        return []
    found: list[Sequence[int] | None] = []
    if indexed := {name: needle for name, needle in needles.items() if len(needle) >= TRIGRAM}:
        match = " AND ".join(f"{name} : {_phrase(needle)}" for name, needle in indexed.items())
        rows = await connection.scalars(_MESSAGES, {"match": match, "few": FEW + 1})
        found.append(_if_few(rows.all()))
    for name, needle in needles.items():
        if len(needle) < TRIGRAM:
            found.append(await _few_with_short(connection, name, needle))
    return min((some for some in found if some is not None), key=len, default=None)


async def _few_with_short(
    connection: AsyncConnection, name: str, needle: str
) -> Sequence[int] | None:
    values = {"begin": needle, "end": _behind(needle), "name": name, "most": MOST_PARTS}
    row = (await connection.execute(_MESSAGES_OF_SHORT, values)).one()
    return None if row.parts == MOST_PARTS else _if_few(orjson.loads(row.ids))


def _behind(needle: str) -> str:
    """What stands behind every text that begins with `needle`."""
    return needle + "\U0010ffff"


def short_among(needles: Mapping[str, str]) -> Sequence[str]:
    """The needles of which PostgreSQL has an index of its own."""
    return [
        needle
        for name, needle in needles.items()
        if name in _IN_SHORT_PARTS and len(needle) < TRIGRAM and is_storable(needle)
    ]


def has_short_parameter(name: str) -> ColumnElement[bool]:
    """Whether the short needles with which the statement is asked under this name stand in a message at all."""
    return _SHORT_PARTS.contains(bindparam(name, type_=ARRAY(Text)))


async def few_people(
    connection: AsyncConnection, typed: str, *, district_id: int | None = None
) -> Sequence[int] | None:
    """The people, of a district or anywhere, in whose names `typed` stands; None where they are many."""
    needle = fold(typed)
    if not is_storable(needle):
        return []
    if connection.dialect.name == "sqlite":
        return await _few_in_sqlite(
            connection, needle, district_id, indexed=_PEOPLE_BY_TRIGRAM, short=_PEOPLE_OF_SHORT
        )
    statement = (
        select(PERSON_NAME.c.person_id).where(contains(PERSON_NAME.c.key, needle)).limit(FEW + 1)
    )
    if district_id is not None:
        of_district = select(PERSON.c.id).where(
            PERSON.c.id == PERSON_NAME.c.person_id, PERSON.c.district_id == district_id
        )
        statement = statement.where(is_there(of_district))
    return _if_few((await connection.scalars(statement)).all())


async def few_addresses(
    connection: AsyncConnection, typed: str, *, district_id: int | None = None
) -> Sequence[int] | None:
    """The addresses, of a district or anywhere, in which `typed` stands; None where they are many."""
    found = [await _few_with(connection, needle, district_id) for needle in _address_needles(typed)]
    return None if None in found else sorted({key for some in found if some for key in some})


async def _few_with(
    connection: AsyncConnection, needle: str, district_id: int | None
) -> Sequence[int] | None:
    if connection.dialect.name == "sqlite":
        return await _few_in_sqlite(
            connection,
            needle,
            district_id,
            indexed=_ADDRESSES_BY_TRIGRAM,
            short=_ADDRESSES_OF_SHORT,
        )
    statement = select(ADDRESS.c.id).where(_in_any_case(needle)).limit(FEW + 1)
    if district_id is not None:
        statement = statement.where(ADDRESS.c.district_id == district_id)
    return _if_few((await connection.scalars(statement)).all())


async def _few_in_sqlite(
    connection: AsyncConnection,
    needle: str,
    district_id: int | None,
    *,
    indexed: TextClause,
    short: TextClause,
) -> Sequence[int] | None:
    values: dict[str, Any] = {"needle": needle, "district": district_id, "few": FEW + 1}
    if len(needle) >= TRIGRAM:
        values["match"] = _phrase(needle)
        return _if_few((await connection.scalars(indexed, values)).all())
    values |= {"begin": needle, "end": _behind(needle), "most": MOST_PARTS}
    rows = (await connection.execute(short, values)).all()
    if rows[0].parts == MOST_PARTS:
        return None
    return _if_few([row.id for row in rows if row.id is not None])


def _if_few(rows: Sequence[int]) -> Sequence[int] | None:
    return rows if len(rows) <= FEW else None


def _phrase(needle: str) -> str:
    quoted = needle.replace('"', '""')
    return f'"{quoted}"'


# CROSS JOIN is SQLite's word for "in this order": from the index to the rows, and stop at the limit.
_MESSAGES: Final = text(
    "SELECT rowid FROM message_trigrams WHERE message_trigrams MATCH :match LIMIT :few"
)
# Each text ends with two line feeds, so that whatever stands in it begins a part of three characters.
_MESSAGES_OF_SHORT: Final = text(
    """
    SELECT count(*) AS parts, json_group_array(DISTINCT doc) FILTER (WHERE col = :name) AS ids
    FROM (SELECT doc, col FROM message_terms WHERE term >= :begin AND term < :end LIMIT :most)
    """
)
_PEOPLE_BY_TRIGRAM: Final = text(
    """
    SELECT n.person_id
    FROM person_name_trigrams
    CROSS JOIN person_name n ON n.id = person_name_trigrams.rowid
    CROSS JOIN person p ON p.id = n.person_id
    WHERE person_name_trigrams MATCH :match AND instr(n.key, :needle) > 0
        AND p.district_id = coalesce(:district, p.district_id)
    LIMIT :few
    """
)
_PEOPLE_OF_SHORT: Final = text(
    """
    WITH part AS MATERIALIZED (
        SELECT doc FROM person_name_terms WHERE term >= :begin AND term < :end LIMIT :most
    )
    SELECT whole.parts, found.id
    FROM (SELECT count(*) AS parts FROM part) whole
    LEFT JOIN (
        SELECT n.person_id AS id
        FROM (SELECT DISTINCT doc FROM part) t
        CROSS JOIN person_name n ON n.id = t.doc
        CROSS JOIN person p ON p.id = n.person_id
        WHERE instr(n.key, :needle) > 0 AND p.district_id = coalesce(:district, p.district_id)
        LIMIT :few
    ) found ON true
    """
)
_ADDRESSES_BY_TRIGRAM: Final = text(
    """
    SELECT a.id
    FROM address_trigrams
    CROSS JOIN address a ON a.id = address_trigrams.rowid
    WHERE address_trigrams MATCH :match AND instr(lower(a.key), :needle) > 0 AND a.district_id = coalesce(:district, a.district_id)
    LIMIT :few
    """
)
_ADDRESSES_OF_SHORT: Final = text(
    """
    WITH part AS MATERIALIZED (
        SELECT doc FROM address_terms WHERE term >= :begin AND term < :end LIMIT :most
    )
    SELECT whole.parts, found.id
    FROM (SELECT count(*) AS parts FROM part) whole
    LEFT JOIN (
        SELECT a.id
        FROM (SELECT DISTINCT doc FROM part) t
        CROSS JOIN address a ON a.id = t.doc
        WHERE instr(lower(a.key), :needle) > 0 AND a.district_id = coalesce(:district, a.district_id)
        LIMIT :few
    ) found ON true
    """
)


@compiles(_Contains, "sqlite")
def _contains_in_sqlite(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    key, needle = (compiler.process(clause, **options) for clause in element.clauses)
    return f"instr({key}, {needle}) > 0"


@compiles(_Contains, "postgresql")
def _contains_in_postgresql(element: _Contains, compiler: SQLCompiler, **options: Any) -> str:
    key, needle = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{key} LIKE {needle}"


@compiles(_ContainsInAnyCase, "sqlite")
def _in_any_case_in_sqlite(
    element: _ContainsInAnyCase, compiler: SQLCompiler, **options: Any
) -> str:
    key, needle = (compiler.process(clause, **options) for clause in element.clauses)
    return f"instr(lower({key}), {needle}) > 0"


@compiles(_ContainsInAnyCase, "postgresql")
def _in_any_case_in_postgresql(
    element: _ContainsInAnyCase, compiler: SQLCompiler, **options: Any
) -> str:
    key, needle = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{key} ILIKE {needle}"
