"""The promise: on either engine nothing goes in that refers to nothing, and nothing goes that something refers to, whatever two
transactions do at once.
"""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel

from db.connect.engine import writing
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
"""What refers to nothing, by table: a statement for each column, or pair of columns, that refers to something."""

NEEDED = ("district", "message", "person", "address", "recipient")
"""What others of these tables refer to."""

HEATHER = recipient("p1", email("heather@nomail.example"), student=("s1", "Student, Calvin"))


@pytest.fixture
async def log(engine: AsyncEngine) -> AsyncEngine:
    """A log of one message to one person."""
    await load(engine, district(), message("M-1", [HEATHER]))
    return engine


def test_what_refers_to_something_is_tried_here() -> None:
    tables = SQLModel.metadata.tables
    referring = {name: len({key.parent for key in tables[name].foreign_keys}) for name in DANGLING}

    assert referring == {name: len(tried) for name, tried in DANGLING.items()}
    assert set(DANGLING) == KEPT_BY_TRIGGERS


@pytest.mark.parametrize("statement", [one for tried in DANGLING.values() for one in tried])
async def test_nothing_goes_in_that_refers_to_nothing(log: AsyncEngine, statement: str) -> None:
    with pytest.raises(IntegrityError):
        async with writing(log) as connection:
            await connection.execute(text(statement))


@pytest.mark.parametrize("table", NEEDED)
async def test_nothing_goes_that_something_refers_to(log: AsyncEngine, table: str) -> None:
    with pytest.raises(IntegrityError):
        async with writing(log) as connection:
            await connection.execute(text(f"DELETE FROM {table}"))


async def test_what_nothing_refers_to_goes(log: AsyncEngine) -> None:
    async with writing(log) as connection:
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
async def test_what_rows_refer_by_and_are_referred_to_by_stays(
    log: AsyncEngine, change: str
) -> None:
    with pytest.raises(DBAPIError):
        async with writing(log) as connection:
            await connection.execute(text(change))


@ON_POSTGRESQL
async def test_of_who_refers_to_a_person_and_who_removes_it_the_second_is_refused(
    log: AsyncEngine,
) -> None:
    alone = "INSERT INTO person (district_id, role, external_id, name) VALUES (1, 'CONTACT', 'p7', 'Alone') RETURNING id"
    async with writing(log) as connection:
        person = await connection.scalar(text(alone))
    waits = asyncio.Event()

    async def remove() -> None:
        async with writing(log) as connection:
            waits.set()
            await connection.execute(text("DELETE FROM person WHERE id = :id"), {"id": person})

    async with writing(log) as connection:
        naming = "INSERT INTO person_name (person_id, key) VALUES (:id, 'alone')"
        await connection.execute(text(naming), {"id": person})
        removing = asyncio.create_task(remove())
        await waits.wait()
    with pytest.raises(IntegrityError):
        await removing

    async with writing(log) as connection:
        left = "SELECT count(*) FROM person_name WHERE person_id = :id"
        assert await connection.scalar(text(left), {"id": person}) == 1


@ON_POSTGRESQL
async def test_who_is_not_sure_to_see_what_others_did_writes_nothing_that_refers(
    log: AsyncEngine,
) -> None:
    async with log.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        with pytest.raises(DBAPIError, match="READ COMMITTED only"):
            await connection.execute(text("DELETE FROM recipient"))


@ON_POSTGRESQL
async def test_a_log_with_rows_goes_over_to_triggers_as_it_is(engine: AsyncEngine) -> None:
    async with writing(engine) as connection:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
            await connection.execute(text(statement))
    await upgrade(engine, "0009")
    async with writing(engine) as connection:
        for statement in (
            "INSERT INTO district (external_id, name, time_zone, has_voice) VALUES ('d', 'D', 'UTC', true)",
            "INSERT INTO person (district_id, role, external_id, name) VALUES (1, 'CONTACT', 'p1', 'Heather')",
            "INSERT INTO person_name (person_id, key) VALUES (1, 'heather')",
        ):
            await connection.execute(text(statement))
    await upgrade(engine)

    for refused in ("DELETE FROM person", DANGLING["person_name"][0]):
        with pytest.raises(IntegrityError):
            async with writing(engine) as connection:
                await connection.execute(text(refused))
    async with writing(engine) as connection:
        assert await connection.scalar(text("SELECT key FROM person_name")) == "heather"
