"""The promise: a worker that was suspended hands over nothing after it has lost its claims."""

import os
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import select

from db.connect.database import Database
from db.dispatch.cancel import CanceledMessage, cancel
from db.dispatch.in_flight import COLUMNS, LiveDelivery
from db.tables.log import DELIVERY
from delivery.dispatch.delivery_names import spell
from delivery.gateways.simulator.journal import Journal
from domain.status import MessageStatus
from tests.delivery.processes.worker_process import BATCH
from tests.delivery.runners.kinds import holds_anywhere, worker
from tests.delivery.world import World, call, people
from tests.log import NOON

CALLS: Final = 3_000


@contextmanager
def standing_still(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Suspend the process during the block."""
    os.kill(process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


def is_writing(database: Database) -> bool:
    """Return whether a suspended process has an open SQLite transaction, so that no other process can write.

    On PostgreSQL the session of such a process is ended, so its lock is free.
    """
    if database.is_postgresql:
        return False
    assert database.engine.url.database is not None
    with closing(sqlite3.connect(database.engine.url.database, timeout=0)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
    return False


async def nobody_is_in_a_transaction(world: World) -> bool:
    """Return whether no other session of this database is active or inside a transaction."""
    others = "select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    return not await world.columns_of(f"{others} and state <> 'idle'")


async def canceled(database: Database, message_id: int) -> set[str]:
    """Cancel a message. Return the deliveries that were claimed at that moment."""
    async with database.writing() as connection:
        outcome = await cancel(
            connection, message_id, database=database, by_id="u", by_name="U", reason=None, now=NOON
        )
        assert outcome == CanceledMessage(is_new=True)
        rows = await connection.execute(select(*COLUMNS).where(DELIVERY.c.first_at.is_not(None)))
        return {spell(LiveDelivery(*row)) for row in rows}


async def test_nothing_unclaimed_is_handed_over_after_a_cancel(
    world: World, database_url: str, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "journal")
    message_id = await world.load(people(CALLS, call))

    async def some_have_left() -> bool:
        return len(journal.entries()) >= CALLS // 6

    async def all_is_settled() -> bool:
        open_ = "select 1 from delivery where status = 'PENDING' or claim is not null limit 1"
        return not await world.columns_of(open_)

    with worker(database_url, tmp_path / "journal", seconds=0.2) as victim:
        await holds_anywhere(world.database, message_id, some_have_left)
        claimed: set[str] | None = None
        while claimed is None:
            with standing_still(victim):
                if not is_writing(world.database):
                    claimed = await canceled(world.database, message_id)
        await holds_anywhere(world.database, message_id, all_is_settled)

    called = Counter(entry.key for entry in journal.entries())
    assert set(called.values()) == {1}
    assert called.keys() <= claimed
    assert len(claimed) < CALLS
    assert (await world.statuses(message_id))["CANCELED"] >= CALLS - len(claimed)
    assert await world.status(message_id) is MessageStatus.CANCELED_IN_PROGRESS
    await world.recount()
    journal.close()


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_a_worker_whose_claims_were_taken_over_calls_nobody_twice(
    world: World, database_url: str, tmp_path: Path
) -> None:
    journal = Journal(tmp_path / "journal")
    message_id = await world.load(people(CALLS, call))

    async def some_are_on_their_way() -> bool:
        """Return whether deliveries are claimed but not at the provider yet: there a resumed worker could do harm."""
        ((claimed,),) = await world.columns_of("select count(*) from delivery where attempts > 0")
        arrived = len(journal.entries())
        return arrived >= CALLS // 6 and claimed - arrived >= BATCH

    async def all_is_settled() -> bool:
        open_ = "select 1 from delivery where status = 'PENDING' or claim is not null limit 1"
        return not await world.columns_of(open_)

    with ExitStack() as workers:
        # Most of its time it waits for the provider: that is where it will stand still.
        victim = workers.enter_context(worker(database_url, tmp_path / "journal", seconds=0.5))
        await holds_anywhere(world.database, message_id, some_are_on_their_way)
        stands_apart = False
        while not stands_apart:
            with standing_still(victim):
                # Who stands still inside a transaction keeps the others from the message for `live.LONGEST_IDLE`.
                stands_apart = await nobody_is_in_a_transaction(world)
                if stands_apart:
                    workers.enter_context(worker(database_url, tmp_path / "journal"))
                    await holds_anywhere(world.database, message_id, all_is_settled)

    called = Counter(entry.key for entry in journal.entries())
    assert set(called.values()) == {1}
    missing = [row for row in await world.deliveries(message_id) if not called[spell(row)]]
    assert {row.call_status for row in missing} <= {-5}
    await world.recount()
    journal.close()
