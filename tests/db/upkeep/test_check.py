"""The check finds every stored value that differs from the rows, and nothing else."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import pytest
from sqlalchemy import make_url
from sqlalchemy import text as sql

from db.connect.database import Database
from db.upkeep import check
from db.upkeep.check import Difference
from domain.status import DeliveryStatus, MessageStatus
from tests.log import NOON, district, email, inbox, load, message, recipient, text, voice
from tests.tables import table

HISTORY = message(
    "M-1",
    [
        recipient(
            "p1",
            inbox(status=DeliveryStatus.SENT, at=NOON),
            voice(status=DeliveryStatus.DELIVERED, call_status=5, at=NOON.replace(minute=1)),
            text(status=DeliveryStatus.SENT, call_status=-27, at=NOON.replace(minute=2)),
            student=("s1", "Student, Calvin"),
        ),
        recipient("p1", voice(status=DeliveryStatus.DELIVERED, call_status=5), email()),
        recipient("p2", voice("+16125550102", status=DeliveryStatus.FAILED, call_status=0)),
        recipient("p3"),
    ],
)
TO_SEND = message("M-2", [recipient("p1", inbox(), voice()), recipient("p2", voice())], status=None)
CANCELED = message("M-3", [recipient("p1", voice())], status=MessageStatus.CANCELED)


async def differences(database: Database) -> Sequence[Difference]:
    async with database.snapshot() as connection:
        ids = await check.next_messages(connection, 0, count=10)
        return await check.differences(connection, after=0, until=max(ids, default=0))


async def change(database: Database, *statements: str) -> None:
    async with database.writing() as connection:
        for statement in statements:
            await connection.execute(sql(statement))


async def test_an_ingested_log_has_no_difference(database: Database) -> None:
    await load(database, district(), HISTORY, TO_SEND, CANCELED, message("M-4"))

    assert await differences(database) == []


FIRST = "message_id = (SELECT id FROM message WHERE external_id = 'M-1')"
SECOND = "message_id = (SELECT id FROM message WHERE external_id = 'M-2')"


CHANGES = f"""
    UPDATE message SET people = 4 WHERE external_id = 'M-1' | M-1 people: 4, not 3
    UPDATE message SET people_without_device = 0 WHERE external_id = 'M-1' | M-1 people_without_device: 0, not 1
    UPDATE message SET has_failures = false WHERE external_id = 'M-1' | M-1 has_failures: no, not yes
    UPDATE message SET people_contacted = 2 WHERE external_id = 'M-1' | M-1 people_contacted: 2, not 1
    UPDATE recipient SET contacted = false WHERE {FIRST} AND number = 1 | M-1 contacted, recipient 1: no, not yes
    UPDATE recipient SET contacted = true WHERE {FIRST} AND number > 1 | M-1 contacted, recipient 2: yes, not no | M-1 contacted, recipient 3: yes, not no
    UPDATE recipient SET is_repeat = NOT is_repeat WHERE {FIRST} AND number = 0 | M-1 is_repeat, recipient 0: yes, not no
    UPDATE tally SET deliveries = 7 WHERE {FIRST} AND mode = 'VOICE' AND is_duplicate | M-1 tally VOICE DELIVERED code 5 duplicates: 7, not 1
    DELETE FROM tally WHERE {FIRST} AND mode = 'INBOX' | M-1 tally INBOX SENT: 0, not 1
    INSERT INTO tally VALUES ((SELECT id FROM message WHERE external_id = 'M-2'), 'TEXT', 'SENT', -27, false, 2) | M-2 tally TEXT SENT code -27: 2, not 0
    UPDATE tally SET status = 'FAILED' WHERE {FIRST} AND mode = 'TEXT' | M-1 tally TEXT FAILED code -27: 1, not 0 | M-1 tally TEXT SENT code -27: 0, not 1
    UPDATE span SET started_at = ended_at, ended_at = NULL WHERE {FIRST} AND mode = 'TEXT' | M-1 span TEXT end: None, not 2020-01-31T18:02:00+00:00
    DELETE FROM span WHERE {FIRST} AND mode = 'INBOX' | M-1 span INBOX end: None, not 2020-01-31T18:00:00+00:00 | M-1 span INBOX start: None, not 2020-01-31T18:00:00+00:00
    UPDATE delivery SET at = NULL WHERE {FIRST} AND mode = 'TEXT' | M-1 span TEXT end: 2020-01-31T18:02:00+00:00, not None | M-1 span TEXT start: 2020-01-31T18:02:00+00:00, not None
    UPDATE figure SET deliveries = 7 WHERE {FIRST} AND mode = 'VOICE' AND status = 'FAILED' | M-1 figure VOICE FAILED: 7, not 1
    UPDATE figure SET gateway = 'twilio' WHERE {FIRST} AND mode = 'TEXT' | M-1 figure TEXT SENT: 0, not 1 | M-1 figure TEXT SENT by twilio: 1, not 0
    UPDATE delivery SET handed_at = at WHERE {FIRST} AND mode = 'TEXT' | M-1 figure TEXT SENT: 1, not 0 | M-1 figure TEXT SENT after 0 s: 0, not 1
    UPDATE message SET has_open = false WHERE external_id = 'M-2' | M-2 has_open: no, not yes
    UPDATE delivery SET call_status = 0 WHERE {FIRST} AND mode = 'VOICE' AND call_status = 5 | M-1 tally VOICE DELIVERED code 0: 0, not 1 | M-1 tally VOICE DELIVERED code 0 duplicates: 0, not 1 | M-1 tally VOICE DELIVERED code 5: 1, not 0 | M-1 tally VOICE DELIVERED code 5 duplicates: 1, not 0
    DELETE FROM delivery WHERE {SECOND} AND recipient_number = 1 | M-2 people_without_device: 0, not 1 | M-2 tally VOICE PENDING duplicates: 1, not 0
    UPDATE delivery SET is_duplicate = NOT is_duplicate WHERE {SECOND} AND mode = 'VOICE' | M-2 is_duplicate, recipient 0 delivery 1: yes, not no | M-2 is_duplicate, recipient 1 delivery 0: no, not yes
    UPDATE delivery SET confirmed = true WHERE {FIRST} AND recipient_number = 2 | M-1 people_contacted: 1, not 2 | M-1 contacted, recipient 2: no, not yes
"""
"""A change of the tables, and the differences from the rows that it makes."""


def difference(text: str) -> tuple[str, ...]:
    """Return a difference of `CHANGES` as message, name, stored value and counted value."""
    subject, values = text.split(": ", 1)
    return (*subject.split(" ", 1), *values.split(", not "))


@pytest.mark.parametrize(("statement", "found"), [(row[0], row[1:]) for row in table(CHANGES)])
async def test_a_value_that_differs_from_the_rows_is_found(
    database: Database, statement: str, found: list[str]
) -> None:
    await load(database, district(), HISTORY, TO_SEND, CANCELED)

    await change(database, statement)

    differing = [tuple(map(str, one)) for one in await differences(database)]
    assert differing == list(map(difference, found))


async def test_a_span_of_a_live_message_may_be_wider_than_its_rows_and_not_narrower(
    database: Database,
) -> None:
    await load(database, district(), TO_SEND)
    hour = "'2020-01-31 {:02}:00:00.000000'"
    [early, noon, late] = [hour.format(n) for n in (17, 18, 19)]
    if database.is_postgresql:
        early, noon, late = (f"timestamptz {moment[:-1]}+00'" for moment in (early, noon, late))
    voice_of = f"WHERE {SECOND} AND mode = 'VOICE'"
    await change(
        database,
        f"UPDATE delivery SET status = 'DELIVERED', call_status = 0, at = {noon}, first_at = {noon} {voice_of}",
        f"UPDATE tally SET status = 'DELIVERED', call_status = 0 {voice_of}",
        f"UPDATE figure SET status = 'DELIVERED' {voice_of}",
        f"INSERT INTO span SELECT id, 'VOICE', {early}, {late} FROM message",
    )
    assert await differences(database) == []

    await change(database, f"UPDATE span SET started_at = {late}, ended_at = {early}")

    assert [tuple(difference) for difference in await differences(database)] == [
        ("M-2", "span VOICE end", "2020-01-31T17:00:00+00:00", "2020-01-31T18:00:00+00:00"),
        ("M-2", "span VOICE start", "2020-01-31T19:00:00+00:00", "2020-01-31T18:00:00+00:00"),
    ]


async def test_only_messages_in_the_range_are_checked(database: Database) -> None:
    await load(database, district(), HISTORY, TO_SEND, CANCELED)
    await change(
        database,
        "UPDATE message SET people = 9",
        "UPDATE tally SET deliveries = deliveries + 1",
        "UPDATE recipient SET is_repeat = NOT is_repeat, contacted = NOT contacted",
        "UPDATE delivery SET is_duplicate = NOT is_duplicate",
    )

    async with database.snapshot() as connection:
        first, second, third = await check.next_messages(connection, 0, count=10)
        found = await check.differences(connection, after=first, until=second)

        assert {difference.message for difference in found} == {"M-2"}
        assert await check.next_messages(connection, first, count=1) == [second]
        assert await check.next_messages(connection, third, count=1) == []
        assert await check.count_messages(connection) == 3


async def test_an_intact_file_has_no_faults(database: Database) -> None:
    await load(database, district(), HISTORY)

    async with database.writing() as connection:
        assert await check.faults_of_file(connection) == []
        assert await check.faults_of_search(connection) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_row_with_an_invalid_reference_is_found(
    database: Database, database_url: str
) -> None:
    await load(database, district(), CANCELED)
    file = make_url(database_url).database
    assert file is not None
    with closing(sqlite3.connect(file)) as careless:  # which by itself looks at no key
        careless.execute("DELETE FROM address")
        careless.commit()

    async with database.writing() as connection:
        assert await check.faults_of_file(connection) == [
            "row 1 of delivery refers to a row of address that is not there"
        ]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_text_index_that_differs_from_its_table_is_found(database: Database) -> None:
    await load(database, district(), CANCELED)
    await change(
        database,
        "DROP TRIGGER message_trigrams_change",
        "UPDATE message SET subject_key = 'something else'",
    )

    async with database.writing() as connection:
        assert await check.faults_of_search(connection) == [
            "the index message_trigrams does not hold what its table holds: database disk image is malformed"
        ]
