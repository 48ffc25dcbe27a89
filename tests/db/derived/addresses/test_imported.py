"""The promise: an import of history and a first failure at the same time see each other, whichever commits first."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, literal, select, text

from db.connect.database import Database
from db.derived.addresses.states import keep_failures_out
from db.sql.connections import WriteConnection
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import ADDRESS, DISTRICT
from delivery.gateways.base import Consent
from delivery.receipts.receipts import apply_receipts_within, store_consents
from delivery.reports.jobs import RenderJob
from domain.modes import AddressKind
from domain.receipts import Receipt
from domain.status import DeliveryStatus, EventSource
from resolvers.ingest.ingest import ingest
from tests import log
from tests.address_states import recount_addresses
from tests.delivery.receipts.receiving import hand_over_all
from tests.delivery.world import World, call, number_of, people
from tests.log import NOON
from tests.statements import recorded

pytestmark = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)

FAILED_AT = NOON + timedelta(minutes=2)
REACHED = pytest.mark.parametrize(
    ("minutes", "failures"), [(1, 1), (3, 0)], ids=["reached before", "reached after"]
)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def history(minutes: int) -> bytes:
    """Return a message of another system that reached the first person by phone."""
    device = log.voice(number_of(0), call_status=5, at=at(minutes))
    return log.message("H-1", [log.recipient("p0", device)])


async def fail(connection: WriteConnection, message_id: int) -> None:
    """Have the provider report the first failure of the number."""
    receipt = Receipt(FAILED_AT, DeliveryStatus.FAILED, 3, key=f"{message_id}.0.0")
    await apply_receipts_within(
        connection, "fake", [receipt], source=EventSource.CALLBACK, now=at(9)
    )


async def waits_or_ends(database: Database, task: asyncio.Task[object]) -> None:
    """Return when a session waits for a lock, or the task has ended."""
    waiting = text(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        " and datname = current_database()"
    )
    async with database.reading() as connection, asyncio.timeout(30):
        while not task.done() and await connection.scalar(waiting) == 0:
            pass


async def stored(database: Database) -> tuple[datetime | None, int]:
    """Return when the only address was last reached, and its failures since."""
    async with database.reading() as connection:
        statement = select(*ADDRESS_FAILURES.c["last_reached_at", "failures"])
        return tuple((await connection.execute(statement)).one())


@REACHED
async def test_an_import_waits_for_a_first_failure_and_adds_its_arrival(
    world: World, minutes: int, failures: int
) -> None:
    message_id = await hand_over_all(world, people(1, call))
    async with world.database.writing() as connection:
        await fail(connection, message_id)
        importing = asyncio.create_task(log.load(world.database, history(minutes)))
        await waits_or_ends(world.database, importing)
    await importing

    assert await stored(world.database) == (at(minutes), failures)
    await recount_addresses(world.database)


@REACHED
async def test_a_first_failure_waits_for_an_import_and_counts_its_arrival(
    world: World, minutes: int, failures: int
) -> None:
    message_id = await hand_over_all(world, people(1, call))
    is_moved, may_commit = asyncio.Event(), asyncio.Event()

    async def announce(connection: WriteConnection, job: RenderJob | None = None) -> None:
        is_moved.set()
        await may_commit.wait()

    async def lines() -> AsyncIterator[bytes]:
        yield history(minutes)

    async def report() -> None:
        async with world.database.writing() as connection:
            await fail(connection, message_id)

    importing = asyncio.create_task(
        ingest(world.database, lines(), viewer=None, clock=world.clock, announce=announce)
    )
    await is_moved.wait()
    reporting = asyncio.create_task(report())
    await waits_or_ends(world.database, reporting)
    may_commit.set()
    await reporting
    await importing

    assert await stored(world.database) == (at(minutes), failures)
    await recount_addresses(world.database)


async def test_an_opt_out_waits_for_an_import_and_keeps_its_arrival(world: World) -> None:
    await hand_over_all(world, people(1, call))
    async with world.database.writing() as connection:
        await store_consents(connection, [Consent(FAILED_AT, number_of(0), True)])
        importing = asyncio.create_task(log.load(world.database, history(1)))
        await waits_or_ends(world.database, importing)
    await importing

    assert await stored(world.database) == (at(1), 0)
    await recount_addresses(world.database)


async def test_an_opt_out_of_a_number_that_an_open_import_added_does_not_keep_it_waiting(
    world: World,
) -> None:
    await hand_over_all(world, people(1, call))
    number = number_of(7)

    async def opt_out() -> None:
        async with world.database.writing() as connection:
            await store_consents(connection, [Consent(FAILED_AT, number, True)])

    async with world.database.writing() as importing:
        district_id = await importing.scalar(select(DISTRICT.c.id))
        row = {"district_id": district_id, "kind": AddressKind.PHONE, "key": number}
        await importing.execute(insert(ADDRESS).values(row))
        opting = asyncio.create_task(opt_out())
        await waits_or_ends(world.database, opting)
        await keep_failures_out(importing, for_each=select(literal(1)))
    await opting

    async with world.database.reading() as connection:
        opted_out = select(ADDRESS.c.opted_out_at).where(ADDRESS.c.key == number)
        assert await connection.scalar(opted_out) == FAILED_AT
    await recount_addresses(world.database)


async def test_a_failure_shares_the_lock_of_imports_in_the_statement_that_locks_its_address(
    world: World,
) -> None:
    message_id = await hand_over_all(world, people(1, call))
    with recorded(world.database) as statements:
        async with world.database.writing() as connection:
            await fail(connection, message_id)

    (sharing,) = [one.text for one in statements if "advisory" in one.text]
    assert sharing.endswith("FOR NO KEY UPDATE OF address) AS anon_1")


async def test_messages_to_send_are_taken_in_while_a_failure_is_open(world: World) -> None:
    message_id = await hand_over_all(world, people(1, call))
    async with world.database.writing() as connection, asyncio.timeout(30):
        await fail(connection, message_id)
        outcome = await log.load(world.database, log.message("M-2", people(1, call), status=None))

    assert outcome.accepted == 1
    await recount_addresses(world.database)
