"""The state of the installation: workers while they run, the last attempts at providers, what waits, and the audit's seals."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from db.connect.database import Database
from db.sql.clock import clock
from db.tables.installation import WORKER
from db.tables.log import MESSAGE
from db.tables.operations import AUDIT, AUDIT_SEAL
from db.upkeep import installation
from domain.status import DeliveryMode
from tests.delivery.world import World, call, mail, people
from tests.log import NOON, district, load, message, school, visibility
from tests.statements import recorded, tables_read_whole

MINUTE = timedelta(minutes=1)


async def seen(database: Database) -> list[str]:
    async with database.reading() as connection:
        listed = [worker.id for worker in await installation.workers(connection)]
        assert await installation.is_worker_seen(connection) == bool(listed)
    return listed


async def last_seen(database: Database, worker: str, *, before: timedelta) -> None:
    async with database.writing() as connection:
        at = clock(connection, after=-before)
        await connection.execute(
            update(WORKER).where(WORKER.c.id == worker).values(started_at=at, last_seen_at=at)
        )


async def test_a_worker_is_listed_from_its_first_heartbeat_until_it_leaves(
    database: Database,
) -> None:
    assert await seen(database) == []
    async with database.writing() as connection:
        await installation.beat(connection, "a")
    async with database.writing() as connection:
        await installation.beat(connection, "b")
        await installation.beat(connection, "a")

    assert await seen(database) == ["a", "b"]

    async with database.writing() as connection:
        await installation.leave(connection, "a")

    assert await seen(database) == ["b"]


async def test_a_heartbeat_keeps_the_time_of_the_start(database: Database) -> None:
    async with database.writing() as connection:
        await installation.beat(connection, "a")
    await last_seen(database, "a", before=MINUTE / 2)
    async with database.reading() as connection:
        (before,) = await installation.workers(connection)

    async with database.writing() as connection:
        await installation.beat(connection, "a")

    async with database.reading() as connection:
        (after,) = await installation.workers(connection)
    assert after.started_at == before.started_at
    assert after.last_seen_at - before.last_seen_at >= MINUTE / 2


async def test_a_worker_that_was_killed_is_not_listed_after_a_minute_and_deleted_later(
    database: Database,
) -> None:
    async with database.writing() as connection:
        for worker in ("killed", "long gone"):
            await installation.beat(connection, worker)
    await last_seen(database, "killed", before=MINUTE + timedelta(seconds=1))
    await last_seen(database, "long gone", before=61 * MINUTE)

    assert await seen(database) == []
    async with database.writing() as connection:
        await installation.forget_workers(connection)
        left = (await connection.execute(WORKER.select())).all()
    assert [row.id for row in left] == ["killed"]


async def record(
    database: Database, is_up: bool, failure: str | None, now: datetime, account: str = "smtp"
) -> None:
    async with database.writing() as connection:
        await installation.record_attempt(
            connection, account, is_up=is_up, failure=failure, now=now
        )


async def state(database: Database, account: str = "smtp") -> tuple[Any, ...] | None:
    async with database.reading() as connection:
        states = await installation.provider_states(connection, [account, "none"])
    return tuple(states[account]) if account in states else None


async def test_the_state_of_a_provider_is_that_of_its_last_attempt(database: Database) -> None:
    assert await state(database) is None
    await record(database, True, None, NOON)
    assert await state(database) == (True, NOON, None, None)

    await record(database, False, "no connection", NOON + MINUTE)
    assert await state(database) == (False, NOON, NOON + MINUTE, "no connection")

    await record(database, True, None, NOON + 2 * MINUTE)
    assert await state(database) == (True, NOON + 2 * MINUTE, NOON + MINUTE, "no connection")

    await record(database, True, "busy", NOON + 3 * MINUTE)
    assert await state(database) == (True, NOON + 3 * MINUTE, NOON + 3 * MINUTE, "busy")
    assert await state(database, "twilio") is None


async def test_an_attempt_that_is_recorded_late_changes_nothing(database: Database) -> None:
    await record(database, False, "no connection", NOON)
    await record(database, True, None, NOON - MINUTE)

    assert await state(database) == (False, None, NOON, "no connection")


async def backlogs(database: Database, **limits: Any) -> list[tuple[Any, ...]]:
    seen = await visibility(database, **limits)
    async with database.reading() as connection:
        return [tuple(one) for one in await installation.backlogs(connection, visibility=seen)]


async def test_due_deliveries_are_counted_by_mode(world: World) -> None:
    await world.load(people(3, mail, call), id="M-1")
    await world.load(people(2, mail), id="M-2", scheduled_at=NOON - MINUTE)
    await world.load(people(5, mail), id="LATER", scheduled_at=NOON + MINUTE)

    before = await backlogs(world.database)
    await world.work()
    after = await backlogs(world.database)
    later = await backlogs(world.database, now=NOON + MINUTE)

    assert before == [(DeliveryMode.EMAIL, 5, NOON - MINUTE), (DeliveryMode.VOICE, 3, NOON)]
    assert after == []
    assert later == [(DeliveryMode.EMAIL, 5, NOON + MINUTE)]


async def test_duplicates_and_messages_of_other_schools_are_not_counted(
    database: Database,
) -> None:
    same = [*people(1, mail), *people(1, mail)]
    await load(
        database,
        district(),
        school("east"),
        school("west"),
        message("E", same, school="east", status=None),
        message("W", people(4, mail), school="west", status=None),
    )

    assert [row[1] for row in await backlogs(database, schools=["east"])] == [1]
    assert [row[1] for row in await backlogs(database, schools=["west"])] == [4]
    assert [row[1] for row in await backlogs(database)] == [5]


async def test_due_deliveries_are_counted_without_reading_all_messages(world: World) -> None:
    await world.load(people(3, mail), id="M-1")
    async with world.database.writing() as connection:
        old = [
            {
                "district_id": 1,
                "external_id": f"OLD-{number}",
                **dict.fromkeys(("visible_from", "created_at", "scheduled_at"), NOON),
                "status": "SENT",
                **dict.fromkeys(
                    ("type_code", "type_label", "type_key", "subject", "subject_key"), ""
                ),
                **dict.fromkeys(("sender_id", "sender_name", "sender_key", "created_text"), ""),
                "scheduled_text": "",
                "source": "TEMPLATE",
                "modes": [DeliveryMode.EMAIL],
                "is_recorded": True,
                "has_open": False,
                **dict.fromkeys(("people", "people_without_device", "people_contacted"), 0),
                "revision": 1,
            }
            for number in range(2_000)
        ]
        await connection.execute(insert(MESSAGE), old)
        await connection.exec_driver_sql(
            "INSERT INTO tally SELECT id, 'EMAIL', 'SENT', 32767, false, 1 FROM message WHERE is_recorded"
        )
        await connection.exec_driver_sql("ANALYZE")
    with recorded(world.database) as statements:
        await backlogs(world.database)
    async with world.database.reading() as connection:
        read_whole = await tables_read_whole(connection, statements[-1])

    # SQLite scans the partial index of messages under way, which has only those, and their list.
    scanned = {"due", "message"} if not world.database.is_postgresql else set()
    assert set(read_whole) <= scanned
    assert "INDEXED BY message_under_way" in statements[-1].text or world.database.is_postgresql


async def test_the_audit_is_sealed_until_the_last_entry_of_the_district_under_a_seal(
    database: Database,
) -> None:
    await load(database, district(), district("other", name="Other"))
    own, other = await visibility(database), await visibility(database, district="other")
    entry = {"viewer_id": "u1", "action": "INGEST", "subject": "district.1"}

    async def sealed() -> datetime | None:
        async with database.reading() as connection:
            return await installation.audit_sealed_until(connection, visibility=own)

    assert await sealed() is None
    async with database.writing() as connection:
        places = [(own, 0), (own, 1), (other, 2), (own, 3)]
        await connection.execute(
            insert(AUDIT),
            [
                {**entry, "district_id": place.district.id, "at": NOON + number * MINUTE}
                for place, number in places
            ],
        )
        last = (await connection.execute(AUDIT.select().order_by(AUDIT.c.id))).all()
        hashes = {"previous": "0" * 64, "hash": "1" * 64}
        await connection.execute(
            insert(AUDIT_SEAL).values(
                number=1, at=NOON, first_id=1, last_id=last[-2].id, row_count=3, **hashes
            )
        )

    assert await sealed() == NOON + MINUTE


@pytest.mark.parametrize("account", ["smtp", "plainview/smtp"])
async def test_accounts_have_their_own_state(database: Database, account: str) -> None:
    await record(database, False, "no connection", NOON, account=account)

    assert await state(database, account) is not None
    assert await state(database, "plainview/twilio") is None
