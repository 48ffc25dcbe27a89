"""Checks the folded texts that searches read against the texts themselves, and returns the differences. It repairs nothing.

A difference has positions and lengths only, because the output of a check must not contain names and bodies.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Row, literal, select, tuple_

from db.log.message_words import words_of_message
from db.sql.connections import ReadConnection
from db.sql.key_lists import any_of
from db.tables.installation import SAVED_SEARCH
from db.tables.log import CONTENT, MESSAGE, PERSON_NAME, RECIPIENT, SCHOOL
from db.upkeep.check import MOST_DIFFERENCES, Difference, text_of
from domain.search import fold

TEXTS: Final = 50
"""Messages whose texts are read at once: a body may have four megabytes."""

RECIPIENTS: Final = 5_000
"""Recipients that are read at once: 500 messages may have millions."""

_LISTED: Final = RECIPIENT.c[
    "message_id", "number", "key", "person_id", "name", "student_id", "student_name"
]

_SOURCES: Final = {
    "subject_key": MESSAGE.c.subject,
    "type_key": MESSAGE.c.type_label,
    "school_key": SCHOOL.c.name,
    "sender_key": MESSAGE.c.sender_name,
    "schedule_key": MESSAGE.c.schedule_id,
}
"""The column from which each key of a message is made."""


async def text_differences(connection: ReadConnection, ids: Sequence[int]) -> Sequence[Difference]:
    """Return the differences in the words and keys of these messages. Call it in a snapshot, as `db.upkeep.check.differences`."""
    found: list[Difference] = []
    for start in range(0, len(ids), TEXTS):
        found += await _differences_of_words(connection, ids[start : start + TEXTS])
    found += await _differences_of_keys(connection, ids)
    found += await _differences_of_names(connection, ids)
    return found


async def _differences_of_words(
    connection: ReadConnection, ids: Sequence[int]
) -> Sequence[Difference]:
    texts = CONTENT.c["body", "body_format", "text_body", "voice_script"]
    statement = (
        select(MESSAGE.c.external_id, CONTENT.c.words, MESSAGE.c.subject, *texts)
        .join(CONTENT, CONTENT.c.message_id == MESSAGE.c.id)
        .where(any_of(MESSAGE.c.id, ids))
        .order_by(MESSAGE.c.id)
    )
    found: list[Difference] = []
    for name, stored, subject, body, body_format, text_body, script in await connection.execute(
        statement
    ):
        counted = words_of_message(
            subject, body=body, body_format=body_format, text_body=text_body, voice_script=script
        )
        if stored != counted:
            before, after = stored.split(), counted.split()
            place = f"words, from word {_first_other(before, after)} on"
            found.append(Difference(name, place, f"{len(before)} words", f"{len(after)} words"))
    return found


async def _differences_of_keys(
    connection: ReadConnection, ids: Sequence[int]
) -> Sequence[Difference]:
    statement = (
        select(
            MESSAGE.c.external_id,
            *MESSAGE.c[tuple(_SOURCES)],
            *(source.label(f"source_{name}") for name, source in _SOURCES.items()),
        )
        .select_from(MESSAGE.outerjoin(SCHOOL, SCHOOL.c.id == MESSAGE.c.school_id))
        .where(any_of(MESSAGE.c.id, ids))
        .order_by(MESSAGE.c.id)
    )
    found: list[Difference] = []
    for message, *values in await connection.execute(statement):
        stored, sources = values[: len(_SOURCES)], values[len(_SOURCES) :]
        for name, key, source in zip(_SOURCES, stored, sources, strict=True):
            found += _difference_of_key(
                message, name, key, None if source is None else fold(source)
            )
    return found


async def _differences_of_names(
    connection: ReadConnection, ids: Sequence[int]
) -> Sequence[Difference]:
    """Return the differences in the keys of recipients, and the names by which a search for people misses them."""
    place = tuple_(RECIPIENT.c.message_id, RECIPIENT.c.number)
    statement = (
        select(MESSAGE.c.external_id, *_LISTED)
        .join(RECIPIENT, RECIPIENT.c.message_id == MESSAGE.c.id)
        .where(any_of(RECIPIENT.c.message_id, ids))
        .order_by(RECIPIENT.c.message_id, RECIPIENT.c.number)
        .limit(RECIPIENTS)
    )
    found: list[Difference] = []
    rows = (await connection.execute(statement)).all()
    while rows and len(found) < MOST_DIFFERENCES:
        found += await _differences_of_recipients(connection, rows)
        after = tuple_(literal(rows[-1].message_id), literal(rows[-1].number))
        rows = (await connection.execute(statement.where(place > after))).all()
    return found[:MOST_DIFFERENCES]


async def _differences_of_recipients(
    connection: ReadConnection, rows: Sequence[Row[Any]]
) -> Sequence[Difference]:
    people = {person for row in rows for person in (row.person_id, row.student_id) if person}
    listed = select(*PERSON_NAME.c["person_id", "key"]).where(
        any_of(PERSON_NAME.c.person_id, sorted(people))
    )
    names = {tuple(row) for row in await connection.execute(listed)}
    found: list[Difference] = []
    for row in rows:
        name, student = fold(row.name), fold(row.student_name or "")
        found += _difference_of_key(
            row.external_id, f"key, recipient {row.number}", row.key, f"{name}\n{student}"
        )
        for what, person, key in (
            ("name", row.person_id, name),
            ("name of the student", row.student_id, student),
        ):
            if person is not None and (person, key) not in names:
                place = f"{what} in the search for people, recipient {row.number}"
                found.append(
                    Difference(row.external_id, place, text_of(value=False), text_of(value=True))
                )
    return found


async def saved_search_differences(connection: ReadConnection) -> Sequence[Difference]:
    """Return the differences in the keys of saved searches, by which a name is found that was saved before."""
    statement = select(*SAVED_SEARCH.c["id", "name", "key"]).order_by(SAVED_SEARCH.c.id)
    return [
        difference
        for id, name, key in await connection.execute(statement)
        for difference in _difference_of_key(f"saved search {id}", "key", key, fold(name))
    ][:MOST_DIFFERENCES]


def _difference_of_key(
    message: str, name: str, stored: str | None, counted: str | None
) -> Iterator[Difference]:
    if stored != counted:
        place = _first_other(stored or "", counted or "")
        yield Difference(
            message, f"{name}, from character {place} on", _length(stored), _length(counted)
        )


def _length(text: str | None) -> str | None:
    return None if text is None else f"{len(text)} characters"


def _first_other(stored: Sequence[str], counted: Sequence[str]) -> int:
    """Return the first place, from 1, at which two sequences differ."""
    pairs = zip(stored, counted, strict=False)
    same = min(len(stored), len(counted))
    return next((place for place, (one, other) in enumerate(pairs) if one != other), same) + 1
