"""Text search: conditions for a text in a column, and look-ups in the names and addresses of a district.

A probe of the trigram index, up to a limit, decides whether a needle matches few rows. Only then the index is used.
`db.search.search` combines the results.
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
from sqlalchemy.types import TypeDecorator

from db.sql.connections import ReadConnection
from db.sql.key_lists import Predicate, is_there
from db.tables.log import ADDRESS, MESSAGE, PERSON, PERSON_NAME
from domain.invisible import without_invisible
from domain.search import digits_of_phone, fold

_DATES: Final = frozenset({MESSAGE.c.created_text, MESSAGE.c.scheduled_text})
_IN_DATES: Final = frozenset("0123456789/: amp")
"""The characters of a date as shown: no date contains a needle with another character."""

MOST_PARTS: Final = 20_000
"""The most index terms with a short needle as prefix; with more, the needle is treated as common."""

FEW: Final = 2_000
"""The most rows from an index that are looked up one by one; beyond that, reading in the log's order is quicker."""

TRIGRAM: Final = 3
"""The length of the terms of the text indexes. SQLite finds a shorter needle as a prefix of terms, PostgreSQL in a separate
index.
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
    sqlite = "instr({0}, {1}) > 0"
    postgresql = "{0} LIKE {1}"


class _ContainsInAnyCase(Predicate):
    inherit_cache = True
    sqlite = "instr(lower({0}), {1}) > 0"
    postgresql = "{0} ILIKE {1}"


class _Needle(TypeDecorator[str]):
    """A text to find in another: on PostgreSQL a pattern, because only LIKE uses a trigram index."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name == "sqlite":
            return value
        return "%" + re.sub(r"([\\%_])", r"\\\1", value) + "%"


def contains(key: Any, needle: str) -> ColumnElement[bool]:
    """Return the condition that the folded text `key` contains `needle`; `%` and `_` are plain characters."""
    if not can_contain(key, needle):
        return false()
    return _Contains(key, bindparam(None, needle, _Needle(), unique=True))


def contains_parameter(key: Any, name: str) -> ColumnElement[bool]:
    """Return the condition that `key` contains the needle in the parameter `name`, for which `can_contain` holds."""
    return _Contains(key, bindparam(name, type_=_Needle()))


def can_contain(key: Any, needle: str) -> bool:
    """Return whether a folded text of the column `key` could contain `needle`."""
    return is_storable(needle) and (key not in _DATES or _IN_DATES.issuperset(needle))


def in_address(typed: str) -> ColumnElement[bool]:
    """Return the condition that an address contains the text, in one of the forms in which an address is written."""
    return or_(false(), *(_in_any_case(needle) for needle in _address_needles(typed)))


def _in_any_case(needle: str) -> ColumnElement[bool]:
    return _ContainsInAnyCase(ADDRESS.c.key, bindparam(None, needle, _Needle(), unique=True))


def _address_needles(typed: str) -> Sequence[str]:
    """Return the text as addresses are stored (with accents), as names are folded, and as the digits of a phone number."""
    as_stored = unicodedata.normalize("NFC", without_invisible(typed).casefold())
    needles = (as_stored, fold(typed), digits_of_phone(typed))
    return list(dict.fromkeys(needle for needle in needles if needle and is_storable(needle)))


def is_storable(text: str) -> bool:
    """Return whether a text of the log can contain `text`: JSON allows NUL and lone surrogates, the engines do not."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


async def few_messages(
    connection: ReadConnection, needles: Mapping[str, str]
) -> Sequence[int] | None:
    """Return the messages with the needles in their columns, if SQLite's index finds few; None otherwise.

    PostgreSQL's planner chooses the index itself.
    """
    if not needles:
        return None
    if not all(map(is_storable, needles.values())):
        return []
    candidates: list[Sequence[int] | None] = []
    if indexed := {name: needle for name, needle in needles.items() if len(needle) >= TRIGRAM}:
        match = " AND ".join(f"{name} : {_phrase(needle)}" for name, needle in indexed.items())
        rows = await connection.scalars(_MESSAGES, {"match": match, "few": FEW + 1})
        candidates.append(_if_few(rows.all()))
    for name, needle in needles.items():
        if len(needle) < TRIGRAM:
            candidates.append(await _few_with_short(connection, name, needle))
    return min((ids for ids in candidates if ids is not None), key=len, default=None)


async def _few_with_short(
    connection: ReadConnection, name: str, needle: str
) -> Sequence[int] | None:
    values = {"begin": needle, "end": prefix_end(needle), "name": name, "most": MOST_PARTS}
    row = (await connection.execute(_MESSAGES_OF_SHORT, values)).one()
    return None if row.parts == MOST_PARTS else _if_few(orjson.loads(row.ids))


def prefix_end(needle: str) -> str:
    """Return a text that sorts after every text with the prefix `needle`."""
    return needle + "\U0010ffff"


def short_among(needles: Mapping[str, str]) -> Sequence[str]:
    """Return the short needles that PostgreSQL finds in its index of short parts."""
    return [
        needle
        for name, needle in needles.items()
        if name in _IN_SHORT_PARTS and len(needle) < TRIGRAM and is_storable(needle)
    ]


def has_short_parameter(name: str) -> ColumnElement[bool]:
    """Return the condition that a message contains the short needles in the parameter `name`, in any column."""
    return _SHORT_PARTS.contains(bindparam(name, type_=ARRAY(Text)))


async def few_people(
    connection: ReadConnection, typed: str, *, district_id: int | None = None
) -> Sequence[int] | None:
    """Return the people, of a district or of all, whose names contain `typed`; None if they are many."""
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
    connection: ReadConnection, typed: str, *, district_id: int | None = None
) -> Sequence[int] | None:
    """Return the addresses, of a district or of all, that contain `typed`; None if they are many."""
    lists = [await _few_with(connection, needle, district_id) for needle in _address_needles(typed)]
    return None if None in lists else sorted({id for ids in lists if ids for id in ids})


async def _few_with(
    connection: ReadConnection, needle: str, district_id: int | None
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
    connection: ReadConnection,
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
    values |= {"begin": needle, "end": prefix_end(needle), "most": MOST_PARTS}
    rows = (await connection.execute(short, values)).all()
    if rows[0].parts == MOST_PARTS:
        return None
    return _if_few([row.id for row in rows if row.id is not None])


def _if_few(rows: Sequence[int]) -> Sequence[int] | None:
    return rows if len(rows) <= FEW else None


def _phrase(needle: str) -> str:
    quoted = needle.replace('"', '""')
    return f'"{quoted}"'


# CROSS JOIN fixes the join order in SQLite: from the index to the rows, up to the limit.
_MESSAGES: Final = text(
    "SELECT rowid FROM message_trigrams WHERE message_trigrams MATCH :match LIMIT :few"
)
# Each text ends with two line feeds, so that each of its characters begins a term of three characters.
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
