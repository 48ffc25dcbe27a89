"""The check finds every folded text that differs from its text, and prints no text."""

from collections.abc import Sequence

import pytest
from sqlalchemy import text as sql

from db.connect.database import Database
from db.upkeep import check_texts
from db.upkeep.check import Difference, next_messages
from db.upkeep.check_texts import saved_search_differences, text_differences
from tests.log import district, email, load, message, recipient, school
from tests.tables import table

HISTORY = (
    district(),
    school(),
    message(
        "M-1",
        [recipient("p1", email(), student=("s1", "Nguyễn, Zoë")), recipient("p2", name="O’Brien")],
        school="harrison-high",
        subject="Late bus",
        body="<p>The <b>bus</b> is late.</p>",
        body_format="HTML",
        voice_script="Hello",
        schedule_id="Weekly",
    ),
    message("M-2", [recipient("p1")], subject="", body=""),
)


async def differences(database: Database) -> Sequence[Difference]:
    async with database.snapshot() as connection:
        return await text_differences(connection, await next_messages(connection, 0, count=10))


async def change(database: Database, *statements: str) -> None:
    async with database.writing() as connection:
        for statement in statements:
            await connection.execute(sql(statement))


async def test_an_ingested_log_has_no_difference(database: Database) -> None:
    await load(database, *HISTORY)

    assert await differences(database) == []


FIRST = "message_id = (SELECT id FROM message WHERE external_id = 'M-1')"
OF_FIRST = "external_id = 'M-1'"

CHANGES = f"""
    UPDATE content SET words = ' late late·bus bus . the the·buses buses buses·are are are·late late . hello ' WHERE {FIRST} | M-1 words, from word 6 on: 13 words, not 13 words
    UPDATE content SET words = ' late late·bus bus . the the·bus bus bus·is is is·late late ' WHERE {FIRST} | M-1 words, from word 12 on: 11 words, not 13 words
    UPDATE content SET words = '' WHERE {FIRST} | M-1 words, from word 1 on: 0 words, not 13 words
    UPDATE content SET voice_script = NULL WHERE {FIRST} | M-1 words, from word 12 on: 13 words, not 11 words
    UPDATE message SET subject_key = 'late bus!' WHERE {OF_FIRST} | M-1 subject_key, from character 9 on: 9 characters, not 8 characters
    UPDATE message SET type_key = 'Behavior' WHERE {OF_FIRST} | M-1 type_key, from character 1 on: 8 characters, not 8 characters
    UPDATE message SET sender_key = '' WHERE {OF_FIRST} | M-1 sender_key, from character 1 on: 0 characters, not 21 characters
    UPDATE message SET schedule_key = NULL WHERE {OF_FIRST} | M-1 schedule_key, from character 1 on: None, not 6 characters
    UPDATE message SET school_key = 'harrison' WHERE {OF_FIRST} | M-1 school_key, from character 9 on: 8 characters, not 13 characters
    UPDATE message SET school_key = 'harrison high' WHERE external_id = 'M-2' | M-2 school_key, from character 1 on: 13 characters, not None
    UPDATE school SET name = 'Harrison Middle' | M-1 school_key, from character 10 on: 13 characters, not 15 characters
    UPDATE recipient SET key = 'parent, heather' WHERE {FIRST} AND number = 0 | M-1 key, recipient 0, from character 16 on: 15 characters, not 27 characters
    DELETE FROM person_name WHERE key = 'nguyen, zoe' | M-1 name of the student in the search for people, recipient 0: no, not yes
    DELETE FROM person_name WHERE key LIKE 'o%' | M-1 name in the search for people, recipient 1: no, not yes
"""
"""A change of the tables, and the differences from the texts that it makes."""


def difference(text: str) -> Difference:
    """Return a difference of `CHANGES`."""
    subject, values = text.split(": ", 1)
    name, what = subject.split(" ", 1)
    stored, counted = (None if value == "None" else value for value in values.split(", not "))
    return Difference(name, what, stored, counted)


@pytest.mark.parametrize(("statement", "found"), [(row[0], row[1:]) for row in table(CHANGES)])
async def test_a_folded_text_that_differs_from_its_text_is_found(
    database: Database, statement: str, found: list[str]
) -> None:
    await load(database, *HISTORY)

    await change(database, statement)

    assert await differences(database) == list(map(difference, found))


async def test_recipients_of_all_pages_are_checked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_texts, "RECIPIENTS", 2)
    await load(database, *HISTORY)
    await change(database, "UPDATE recipient SET key = ''")

    found = [(one.message, one.what) for one in await differences(database)]

    assert found == [
        ("M-1", "key, recipient 0, from character 1 on"),
        ("M-1", "key, recipient 1, from character 1 on"),
        ("M-2", "key, recipient 0, from character 1 on"),
    ]


async def test_only_the_given_messages_are_checked(database: Database) -> None:
    await load(database, *HISTORY)
    await change(database, "UPDATE content SET words = ''", "UPDATE recipient SET key = ''")

    async with database.snapshot() as connection:
        first, second = await next_messages(connection, 0, count=10)
        found = await text_differences(connection, [second])

    assert first < second
    assert {difference.message for difference in found} == {"M-2"}


async def test_a_key_of_a_saved_search_that_differs_from_its_name_is_found(
    database: Database,
) -> None:
    await load(database, *HISTORY)
    await change(
        database,
        "INSERT INTO saved_search (district_id, viewer_id, name, key, arguments, created_at)"
        f" SELECT id, 'u1', 'Été', 'ete', '{{}}', {STARTED[database.is_postgresql]} FROM district",
    )
    async with database.reading() as connection:
        assert await saved_search_differences(connection) == []

    await change(database, "UPDATE saved_search SET key = 'et'")

    async with database.reading() as connection:
        assert await saved_search_differences(connection) == [
            Difference("saved search 1", "key, from character 3 on", "2 characters", "3 characters")
        ]


STARTED = {False: "'2020-01-31 18:00:00.000000'", True: "timestamptz '2020-01-31 18:00:00+00'"}
