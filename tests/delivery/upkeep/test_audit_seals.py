"""Sealing the audit: with concurrent writes, no row is left out of the chain and none is sealed over."""

import asyncio

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from db.audit.seals import add, after
from db.connect.database import Database
from db.sql.connections import ReadConnection
from db.tables.operations import AUDIT, AUDIT_SEAL
from delivery.upkeep import audit_seals
from delivery.upkeep.audit_seals import run_periodically, seal_all
from domain.chain import AuditRow, AuditSeal
from resolvers.audit.verify import check
from tests.delivery.runners.kinds import holds
from tests.log import NOON, district, load


@pytest.fixture
async def log(database: Database) -> Database:
    await load(database, district())
    return database


async def look(connection: ReadConnection, *viewers: str) -> None:
    """Write an audit entry of each viewer."""
    common = {"at": NOON, "district_id": 1, "action": "OPEN_PERSON", "subject": "person.1"}
    await connection.execute(insert(AUDIT), [common | {"viewer_id": viewer} for viewer in viewers])


async def looks(database: Database, *viewers: str) -> None:
    async with database.writing() as connection:
        await look(connection, *viewers)


async def seal_now(database: Database) -> int:
    return await seal_all(database, clock=lambda: NOON, pause=0)


async def seals(database: Database) -> list[AuditSeal]:
    async with database.reading() as connection:
        return list(await after(connection, 0, most=100))


async def test_rows_are_sealed_once(log: Database) -> None:
    await looks(log, "u1", "u2")

    assert [await seal_now(log), await seal_now(log)] == [2, 0]
    await looks(log, "u3")
    assert await seal_now(log) == 1

    first, second = await seals(log)
    assert (first.number, first.at, first.row_count) == (1, NOON, 2)
    assert (second.number, second.row_count, second.previous) == (2, 1, first.hash)
    finding = await check(log)
    assert (finding.rows, finding.unsealed, finding.faults) == (3, 0, [])


async def test_an_empty_audit_gets_no_seal(log: Database) -> None:
    assert await seal_now(log) == 0
    assert await seals(log) == []


async def test_many_rows_get_several_seals(log: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_seals, "MOST_ROWS", 2)
    await looks(log, *(f"u{number}" for number in range(5)))

    assert await seal_now(log) == 5

    assert [sealed.row_count for sealed in await seals(log)] == [2, 2, 1]
    assert (await check(log)).faults == []


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_nothing_is_sealed_over_a_row_that_is_still_to_be_committed(log: Database) -> None:
    async with log.writing() as slow:
        await look(slow, "slow")  # has the smaller number
        await looks(log, "quick")

        assert await seal_now(log) == 0
        assert await seals(log) == []

    assert await seal_now(log) == 2
    assert (await check(log)).faults == []


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_nothing_is_sealed_over_a_number_that_was_taken_by_a_transaction_without_an_id(
    log: Database,
) -> None:
    """An INSERT takes its number before its transaction has an id, so snapshots do not contain it yet."""
    async with log.writing() as slow:
        await slow.execute(text("LOCK TABLE audit IN ROW EXCLUSIVE MODE"))  # as INSERT begins
        number = await slow.scalar(text("SELECT nextval(pg_get_serial_sequence('audit', 'id'))"))
        await looks(log, "quick")
        assert await seal_now(log) == 0
        await slow.execute(
            insert(AUDIT).values(
                id=number,
                at=NOON,
                district_id=1,
                viewer_id="slow",
                action="OPEN_PERSON",
                subject="person.1",
            )
        )

    assert await seal_now(log) == 2
    assert (await check(log)).faults == []


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_writing_an_entry_does_not_wait_for_a_seal(log: Database) -> None:
    await looks(log, "u1")
    async with log.writing() as sealer:
        assert await add(sealer, AuditSeal(1, NOON, 1, 1, 1, "0" * 64, "0" * 64))

        async with asyncio.timeout(60):
            await looks(log, "u2")

    async with log.reading() as connection:
        assert (await connection.scalars(select(AUDIT.c.viewer_id).order_by(AUDIT.c.id))).all() == [
            "u1",
            "u2",
        ]


async def test_concurrent_sealers_make_one_chain(
    log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_seals, "MOST_ROWS", 3)
    await looks(log, *(f"u{number}" for number in range(20)))

    counts = await asyncio.gather(*(seal_now(log) for _ in range(4)))

    assert sum(counts) == 20
    assert [sealed.number for sealed in await seals(log)] == [1, 2, 3, 4, 5, 6, 7]
    assert (await check(log)).faults == []


async def test_a_seal_whose_number_is_taken_is_dropped(log: Database) -> None:
    await looks(log, "u1")
    await seal_now(log)
    [sealed] = await seals(log)

    async with log.writing() as connection:
        assert not await add(connection, sealed._replace(hash="f" * 64))

    assert await seals(log) == [sealed]


async def test_sealing_repeats_until_it_is_stopped(log: Database) -> None:
    await looks(log, "u1")
    until = asyncio.Event()
    going_on = asyncio.create_task(run_periodically(log, until, clock=lambda: NOON, pause=0.01))

    async def is_sealed() -> bool:
        return bool(await seals(log))

    await holds(log, is_sealed)
    until.set()
    await going_on

    assert [sealed.row_count for sealed in await seals(log)] == [1]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_seal SET hash = 'x'",
        "DELETE FROM audit_seal",
        "DELETE FROM audit",
        "UPDATE audit SET viewer_id = 'x'",
    ],
)
async def test_neither_a_row_nor_a_seal_is_changed_or_removed(log: Database, change: str) -> None:
    await looks(log, "u1")
    await seal_now(log)

    with pytest.raises(DBAPIError, match="the audit only grows"):
        async with log.writing() as connection:
            await connection.execute(text(change))

    finding = await check(log)
    assert (finding.rows, finding.seals, finding.faults) == (1, 1, [])


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
@pytest.mark.parametrize("table", ["audit", "audit_seal"])
async def test_postgresql_truncates_neither(log: Database, table: str) -> None:
    await looks(log, "u1")
    await seal_now(log)

    with pytest.raises(DBAPIError, match="the audit only grows"):
        async with log.writing() as connection:
            await connection.execute(text(f"TRUNCATE {table}"))

    assert (await check(log)).rows == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_sqlite_replaces_no_row(log: Database) -> None:
    await looks(log, "u1")

    with pytest.raises(DBAPIError, match="the audit only grows"):
        async with log.writing() as connection:
            await connection.execute(
                text(
                    "INSERT OR REPLACE INTO audit (id, at, district_id, viewer_id, action, subject)"
                    " SELECT id, at, district_id, 'x', action, subject FROM audit"
                )
            )

    async with log.reading() as connection:
        assert (await connection.scalars(select(AUDIT.c.viewer_id))).all() == ["u1"]


def test_the_tables_have_all_sealed_columns() -> None:
    assert tuple(column.name for column in AUDIT.columns) == AuditRow._fields
    assert tuple(column.name for column in AUDIT_SEAL.columns) == AuditSeal._fields
