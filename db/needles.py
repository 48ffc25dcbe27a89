"""Where a text that somebody typed stands: in a column, and in the names and addresses of a district.

A needle that leads to few rows is looked up in a trigram index, one that leads to many is not worth it: which of the two
it is, a probe tells. What is made of the answer is in `db.search`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Dialect,
    String,
    TextClause,
    bindparam,
    false,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeDecorator

from db.keys import Predicate
from db.tables import ADDRESS, PERSON, PERSON_NAME
from domain.search import digits_of_phone, fold

FEW: Final = 2_000
"""Rows from an index that are worth looking up one by one; beyond, reading in the log's order is quicker."""

TRIGRAM: Final = 3
"""Characters: SQLite's index finds no shorter needle."""


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
    if not is_storable(needle):
        return false()
    return _Contains(key, bindparam(None, needle, _Needle(), unique=True))


def in_address(typed: str) -> ColumnElement[bool]:
    """Whether what was typed stands in an address, in one of the ways in which an address is written."""
    return or_(false(), *(_in_any_case(needle) for needle in _address_needles(typed)))


def _in_any_case(needle: str) -> ColumnElement[bool]:
    return _ContainsInAnyCase(ADDRESS.c.key, bindparam(None, needle, _Needle(), unique=True))


def _address_needles(typed: str) -> Sequence[str]:
    """The text, as addresses are kept and as names are (an address keeps its accents), and the digits of a phone number."""
    needles = (typed.casefold(), fold(typed), digits_of_phone(typed))
    return list(dict.fromkeys(needle for needle in needles if needle and is_storable(needle)))


def is_storable(text: str) -> bool:
    """Whether any text of the log can hold this one: JSON can say things that are no text to either engine."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


async def few_messages(
    connection: AsyncConnection, needles: Mapping[str, str]
) -> Sequence[int] | None:
    """The messages in whose columns the needles stand, if SQLite's index finds few; PostgreSQL's planner sees to it itself."""
    indexed = {name: needle for name, needle in needles.items() if len(needle) >= TRIGRAM}
    if not indexed or connection.dialect.name != "sqlite":
        return None
    if not all(map(is_storable, indexed.values())):
        return []
    match = " AND ".join(f"{name} : {_phrase(needle)}" for name, needle in indexed.items())
    rows = await connection.scalars(_MESSAGES, {"match": match, "few": FEW + 1})
    return _if_few(rows.all())


async def few_people(
    connection: AsyncConnection, typed: str, *, district_id: int
) -> Sequence[int] | None:
    """The people of a district in whose names `typed` stands; None where they are many."""
    needle = fold(typed)
    if not is_storable(needle):
        return []
    if connection.dialect.name == "sqlite":
        return await _few_in_sqlite(
            connection, needle, district_id, indexed=_PEOPLE_BY_TRIGRAM, read=_PEOPLE
        )
    statement = (
        select(PERSON_NAME.c.person_id)
        .join(PERSON, PERSON.c.id == PERSON_NAME.c.person_id)
        .where(PERSON.c.district_id == district_id, contains(PERSON_NAME.c.key, needle))
        .limit(FEW + 1)
    )
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
            connection, needle, district_id, indexed=_ADDRESSES_BY_TRIGRAM, read=_ADDRESSES
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
    read: TextClause,
) -> Sequence[int] | None:
    values: dict[str, Any] = {"needle": needle, "district": district_id, "few": FEW + 1}
    statement = read
    if len(needle) >= TRIGRAM:
        statement, values["match"] = indexed, _phrase(needle)
    return _if_few((await connection.scalars(statement, values)).all())


def _if_few(rows: Sequence[int]) -> Sequence[int] | None:
    return rows if len(rows) <= FEW else None


def _phrase(needle: str) -> str:
    quoted = needle.replace('"', '""')
    return f'"{quoted}"'


# CROSS JOIN is SQLite's word for "in this order": from the index to the rows, and stop at the limit.
_MESSAGES: Final = text(
    "SELECT rowid FROM message_trigrams WHERE message_trigrams MATCH :match LIMIT :few"
)
_PEOPLE_BY_TRIGRAM: Final = text(
    """
    SELECT n.person_id
    FROM person_name_trigrams
    CROSS JOIN person_name n ON n.id = person_name_trigrams.rowid
    CROSS JOIN person p ON p.id = n.person_id
    WHERE person_name_trigrams MATCH :match AND instr(n.key, :needle) > 0 AND p.district_id = :district
    LIMIT :few
    """
)
_PEOPLE: Final = text(
    """
    SELECT n.person_id
    FROM person_name n
    CROSS JOIN person p ON p.id = n.person_id
    WHERE instr(n.key, :needle) > 0 AND p.district_id = :district
    LIMIT :few
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
_ADDRESSES: Final = text(
    "SELECT id FROM address WHERE district_id = coalesce(:district, district_id) AND instr(lower(key), :needle) > 0 LIMIT :few"
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
