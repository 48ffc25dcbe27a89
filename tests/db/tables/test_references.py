"""On both engines no row refers to a missing row, and no referenced row can be deleted, even by concurrent transactions."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import SQLModel

from db.connect.database import Database
from db.migrations import KEPT_BY_TRIGGERS, upgrade
from tests.log import district, email, load, message, recipient

DANGLING = {
    "person": ["INSERT INTO person (district_id, role, external_id, name) VALUES (99, 'CONTACT', 'p9', 'Nobody')"],
    "address": ["INSERT INTO address (district_id, kind, key) VALUES (99, 'EMAIL', 'nobody@nomail.example')"],
    "person_name": ["INSERT INTO person_name (person_id, key) VALUES (99, 'nobody')"],
    "recipient": [
        "INSERT INTO recipient (message_id, number, person_id, student_id, name, key, is_repeat, contacted) "
        f"VALUES ({values}, 'Nobody', 'nobody', false, false)"
        for values in ("99, 7, 1, 1", "1, 7, 99, 1", "1, 7, 1, 99")
    ],
    "delivery": [
        "INSERT INTO delivery (message_id, recipient_number, number, address_id, chunk, mode, address, is_duplicate, status, "
        f"confirmed, attempts) VALUES ({values}, 0, 'EMAIL', 'x', false, 'SENT', false, 1)"
        for values in ("99, 0, 7, 1", "1, 9, 7, 1", "1, 0, 7, 99")
    ],
}  # fmt: skip
"""Invalid references by table: a statement for each column, or pair of columns, that refers to another table."""

NEEDED = ("district", "message", "person", "address", "recipient")
"""The tables to which others refer."""

HEATHER = recipient("p1", email("heather@nomail.example"), student=("s1", "Student, Calvin"))


@pytest.fixture
async def log(database: Database) -> Database:
    """A log of one message to one person."""
    await load(database, district(), message("M-1", [HEATHER]))
    return database


def test_every_reference_is_tested_here() -> None:
    tables = SQLModel.metadata.tables
    referring = {name: len({key.parent for key in tables[name].foreign_keys}) for name in DANGLING}

    assert referring == {name: len(tried) for name, tried in DANGLING.items()}
    assert set(DANGLING) == KEPT_BY_TRIGGERS


@pytest.mark.parametrize("statement", [one for tried in DANGLING.values() for one in tried])
async def test_a_row_with_an_invalid_reference_is_rejected(log: Database, statement: str) -> None:
    with pytest.raises(IntegrityError):
        async with log.writing() as connection:
            await connection.execute(text(statement))


@pytest.mark.parametrize("table", NEEDED)
async def test_a_referenced_row_cannot_be_deleted(log: Database, table: str) -> None:
    with pytest.raises(IntegrityError):
        async with log.writing() as connection:
            await connection.execute(text(f"DELETE FROM {table}"))


async def test_an_unreferenced_row_can_be_deleted(log: Database) -> None:
    async with log.writing() as connection:
        for table in ("delivery", "recipient", "person_name", "person", "address"):
            assert (await connection.execute(text(f"DELETE FROM {table}"))).rowcount > 0


ON_POSTGRESQL = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


@ON_POSTGRESQL
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE person SET id = 99 WHERE id = 1",
        "UPDATE person_name SET person_id = 99",
        "UPDATE address SET district_id = 99",
        "UPDATE recipient SET student_id = 99",
        "UPDATE recipient SET number = 99",
        "UPDATE delivery SET address_id = 99",
        "UPDATE delivery SET recipient_number = 99",
        "UPDATE message SET id = 99",
        "TRUNCATE person",
        "TRUNCATE recipient",
    ],
)
async def test_keys_and_references_cannot_be_changed(log: Database, change: str) -> None:
    with pytest.raises(DBAPIError):
        async with log.writing() as connection:
            await connection.execute(text(change))


@ON_POSTGRESQL
async def test_of_a_concurrent_reference_and_deletion_the_second_is_rejected(
    log: Database,
) -> None:
    alone = "INSERT INTO person (district_id, role, external_id, name) VALUES (1, 'CONTACT', 'p7', 'Alone') RETURNING id"
    async with log.writing() as connection:
        person = await connection.scalar(text(alone))
    waits = asyncio.Event()

    async def remove() -> None:
        async with log.writing() as connection:
            waits.set()
            await connection.execute(text("DELETE FROM person WHERE id = :id"), {"id": person})

    async with log.writing() as connection:
        naming = "INSERT INTO person_name (person_id, key) VALUES (:id, 'alone')"
        await connection.execute(text(naming), {"id": person})
        removing = asyncio.create_task(remove())
        await waits.wait()
    with pytest.raises(IntegrityError):
        await removing

    async with log.writing() as connection:
        left = "SELECT count(*) FROM person_name WHERE person_id = :id"
        assert await connection.scalar(text(left), {"id": person}) == 1


@ON_POSTGRESQL
async def test_a_repeatable_read_transaction_cannot_write_references(
    log: Database,
) -> None:
    async with log.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        with pytest.raises(DBAPIError, match="READ COMMITTED only"):
            await connection.execute(text("DELETE FROM recipient"))


@ON_POSTGRESQL
async def test_a_log_with_rows_migrates_to_triggers_unchanged(database: Database) -> None:
    async with database.writing() as connection:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
            await connection.execute(text(statement))
    await upgrade(database, "0009")
    async with database.writing() as connection:
        for statement in (
            "INSERT INTO district (external_id, name, time_zone, has_voice) VALUES ('d', 'D', 'UTC', true)",
            "INSERT INTO person (district_id, role, external_id, name) VALUES (1, 'CONTACT', 'p1', 'Heather')",
            "INSERT INTO person_name (person_id, key) VALUES (1, 'heather')",
        ):
            await connection.execute(text(statement))
    await upgrade(database)

    for refused in ("DELETE FROM person", DANGLING["person_name"][0]):
        with pytest.raises(IntegrityError):
            async with database.writing() as connection:
                await connection.execute(text(refused))
    async with database.writing() as connection:
        assert await connection.scalar(text("SELECT key FROM person_name")) == "heather"
