"""Statements by keys use their own connections, have one plan on PostgreSQL, and return the same rows."""

import pytest
from sqlalchemy import func, select

from db.audit import entries
from db.audit.entries import Action, AuditEntry
from db.connect.database import Database
from db.connect.deadline import within
from db.log import counters as tallies
from db.log import deliveries, messages
from db.tables.operations import AUDIT
from domain.errors import TimedOut
from tests import log

ON_POSTGRESQL = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
"""SQLite has one kind of connection."""

_PLANS = select(func.current_setting("plan_cache_mode"))


@pytest.fixture
async def filled(database: Database) -> Database:
    """Two messages to two people, and a message to nobody."""
    people = [
        log.recipient("p1", log.email(at=log.NOON), log.voice(call_status=5, at=log.NOON)),
        log.recipient("p2", log.email("tad@nomail.example", at=log.NOON)),
    ]
    lines = [log.message("M-1", people), log.message("M-2", people), log.message("M-3")]
    await log.load(database, log.district(), log.school("east"), *lines)
    return database


async def test_an_open_connection_returns_the_same_rows(filled: Database) -> None:
    visibility, keyed = await log.visibility(filled), filled.generic
    pairs = [(1, 0), (1, 1), (2, 0), (3, 0)]
    async with filled.reading() as connection:
        held = (
            await messages.messages(connection, [1, 3, 4], visibility=visibility),
            await tallies.of_messages(connection, [1, 3]),
            await deliveries.of_recipients(connection, pairs),
        )
    free = (
        await messages.messages(keyed, [1, 3, 4], visibility=visibility),
        await tallies.of_messages(keyed, [1, 3]),
        await deliveries.of_recipients(keyed, pairs),
    )

    assert held[:2] == free[:2]
    assert set(free[0]) == {1, 3}
    assert {key: list(rows) for key, rows in held[2].items()} == {
        key: list(rows) for key, rows in free[2].items()
    }
    assert set(free[2]) == {(1, 0), (1, 1), (2, 0)}


async def test_messages_with_counters_have_the_same_counters_as_alone(filled: Database) -> None:
    visibility, keyed = await log.visibility(filled), filled.generic
    together = await tallies.counted_messages(keyed, [1, 2, 3], visibility=visibility)

    assert {id: message for id, (message, _) in together.items()} == await messages.messages(
        keyed, [1, 2, 3], visibility=visibility
    )
    alone = await tallies.of_messages(keyed, [1, 2, 3])
    assert set(alone) == {1, 2}
    for id, (_, counters) in together.items():
        expected = alone.get(id, tallies.Counters())
        assert sorted(counters.tallies, key=repr) == sorted(expected.tallies, key=repr)
        assert sorted(counters.spans, key=repr) == sorted(expected.spans, key=repr)


async def test_a_viewer_limited_to_schools_finds_only_their_messages(database: Database) -> None:
    own, other = log.message("M-1", school="east"), log.message("M-2", school="west")
    await log.load(database, log.district(), log.school("east"), log.school("west"), own, other)
    visibility, keyed = await log.visibility(database, schools=["east"]), database.generic

    assert set(await messages.messages(keyed, [1, 2], visibility=visibility)) == {1}
    assert set(await tallies.counted_messages(keyed, [1, 2], visibility=visibility)) == {1}


@ON_POSTGRESQL
async def test_a_statement_by_keys_is_planned_once_and_a_search_each_time(
    database: Database,
) -> None:
    async with database.reading() as connection:
        assert await connection.scalar(_PLANS) == "force_custom_plan"
    assert (await database.custom.fetch(_PLANS, {})).rows == [("force_custom_plan",)]
    assert (await database.generic.fetch(_PLANS, {})).rows == [("force_generic_plan",)]


@ON_POSTGRESQL
async def test_a_single_write_is_committed(database: Database) -> None:
    await log.load(database, log.district())
    entry = AuditEntry(log.NOON, 1, "u1", Action.OPEN_RECIPIENTS, "message.1", None, "r1")

    await database.write_row(entries.ADDED, entry._asdict())

    async with database.reading() as connection:
        written = (AUDIT.c[name] for name in AuditEntry._fields)
        rows = await connection.execute(select(*written).where(AUDIT.c.request_id == "r1"))
        assert [tuple(row) for row in rows] == [tuple(entry)]


@ON_POSTGRESQL
async def test_a_single_statement_respects_the_time_limit(database: Database) -> None:
    with pytest.raises(TimedOut):
        await within(0.05, database.generic.fetch(select(func.pg_sleep(600)), {}))
    assert (await database.generic.fetch(select(func.length("alive")), {})).rows == [(5,)]
