"""Rows from the driver equal those of SQLAlchemy, with the same time limit and without broken connections."""

from typing import Any, Final

import pytest
from sqlalchemy import Select, bindparam, func, select

from db.connect.database import Database
from db.connect.deadline import within
from db.connect.driver_rows import fetch
from db.sql.rows import Rows
from db.tables.log import DELIVERY, MESSAGE
from domain.errors import TimedOut
from domain.status import DeliveryMode
from tests import log
from tests.statements import recorded

OF_SUBJECT: Final = select(*MESSAGE.c).where(MESSAGE.c.subject == bindparam("subject"))
_ENDLESS: Final = select(func.pg_sleep(600))
_ENDS_ITSELF: Final = select(func.pg_terminate_backend(func.pg_backend_pid()))


on_postgres = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
"""For tests of rows from the driver."""


async def fetched(database: Database, statement: Select[Any], **values: Any) -> Rows[Any]:
    """Return the rows with their values converted."""
    async with database.reading() as connection:
        found = await fetch(connection, statement, values)
    names = tuple(statement.selected_columns.keys())
    return Rows(lambda *row: row, names, found.rows, found.readers)


@pytest.mark.parametrize("table", [MESSAGE, DELIVERY], ids=str)
async def test_each_column_is_converted_as_by_sqlalchemy(database: Database, table: Any) -> None:
    message = log.message(
        "M-1",
        [log.recipient("p1", log.email(status="DELIVERED"), log.voice(status="FAILED"))],
        modes=[DeliveryMode.EMAIL, DeliveryMode.VOICE],
    )
    await log.load(database, log.district(), log.school("east"), message)
    statement = select(*table.c).where(table.c.status != bindparam("status"))

    ours = await fetched(database, statement, status="WAITING")

    async with database.reading() as connection:
        theirs = (await connection.execute(statement, {"status": "WAITING"})).all()
    assert theirs
    assert list(ours) == [tuple(row) for row in theirs]
    assert [list(map(type, row)) for row in ours] == [list(map(type, row)) for row in theirs]


async def test_a_cached_statement_runs_with_the_values_of_each_call(database: Database) -> None:
    await log.load(
        database,
        log.district(),
        log.message("M-1", subject="one"),
        log.message("M-2", subject="two"),
    )

    found = [
        await fetched(database, OF_SUBJECT, subject=subject) for subject in ("one", "two", "x")
    ]

    place = list(MESSAGE.c).index(MESSAGE.c.external_id)
    assert [[row[place] for row in rows] for rows in found] == [["M-1"], ["M-2"], []]


@on_postgres
async def test_a_missing_value_is_an_error(database: Database) -> None:
    await fetched(database, OF_SUBJECT, subject="one")

    with recorded(database) as statements, pytest.raises(KeyError, match="subject"):
        await fetched(database, OF_SUBJECT)
    assert statements == []


@on_postgres
async def test_a_statement_over_its_time_limit_is_canceled(database: Database) -> None:
    with pytest.raises(TimedOut):
        await within(0.2, fetched(database, _ENDLESS))

    assert await fetched(database, OF_SUBJECT, subject="one") is not None


@on_postgres
async def test_a_broken_connection_is_not_reused(database: Database) -> None:
    with pytest.raises(Exception, match=r"terminating connection"):
        await fetched(database, _ENDS_ITSELF)

    assert len(await fetched(database, OF_SUBJECT, subject="one")) == 0
