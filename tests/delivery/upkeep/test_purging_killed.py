"""The promise: a purge blocks no other work, and the next purge completes an interrupted one."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from db.connect.database import Database
from db.tables.log import DELIVERY
from db.tables.operations import AUDIT, PURGE
from db.upkeep import purge, purge_rows
from delivery.dispatch.resend import resend
from delivery.receipts.receipts import apply_receipts
from delivery.upkeep.purge import run_purge
from domain.receipts import Receipt
from domain.status import DeliveryStatus, EventSource, MessageStatus
from resolvers.audit.recount import check
from resolvers.request.process import announce_nothing
from tests.delivery.upkeep.purges import (
    CUT,
    OLD,
    WORDS,
    load_old,
    places_with,
    purge_of,
    rows,
    stand,
)
from tests.delivery.world import ALL_MODES, World, call, people
from tests.log import NOON, district, email, load, message, recipient

ROOT: Final = Path(__file__).parents[3]


# What goes on meanwhile


async def test_a_message_during_a_purge_takes_no_receipts_and_no_resend(
    database: Database, world: World
) -> None:
    await stand(database, MessageStatus.SENT, DeliveryStatus.FAILED)
    async with database.writing() as connection:
        assert await purge.begin(connection, 1, before=CUT, now=NOON)
    before = await world.everything()
    receipt = Receipt(NOON, DeliveryStatus.DELIVERED, 5, key="1.0.0")

    changed = await apply_receipts(
        database, "fake", [receipt], source=EventSource.CALLBACK, now=NOON
    )
    resent = await resend(world.runtime, 1, modes=ALL_MODES, announce=announce_nothing)

    assert (changed, resent) == (0, 0)
    assert await world.everything() == before


async def test_delivery_continues_during_a_purge(
    database: Database, world: World, tmp_path: Path
) -> None:
    """To the people and numbers whose old messages are purged."""
    everybody = people(60, call)
    await load(database, district(), message("OLD", everybody, created_at=OLD))
    id = await world.load(everybody)

    progress, _ = await asyncio.gather(
        run_purge(purge_of(database, tmp_path, rows=5)), world.work()
    )

    assert (progress.recipients, progress.deliveries) == (60, 60)
    assert len(world.gateway.given) == 60
    await world.recount(id)
    assert (await check(database)).is_clean


async def test_an_import_of_the_same_people_continues_during_a_purge(
    database: Database, tmp_path: Path
) -> None:
    people = [recipient(f"p{n}", email(f"p{n}@nomail.example")) for n in range(40)]
    await load(database, district(), message("OLD", people, created_at=OLD))
    news = [message(f"NEW-{n}", people) for n in range(5)]

    async def bring() -> None:
        for one in news:
            await load(database, one)

    await asyncio.gather(run_purge(purge_of(database, tmp_path, rows=3)), bring())

    assert len(await rows(database, DELIVERY.c.message_id, DELIVERY.c.recipient_number)) == 200
    assert (await check(database)).is_clean


async def test_two_purges_at_once_remove_each_row_once(database: Database, tmp_path: Path) -> None:
    people = [recipient(f"p{n}", email(f"p{n}@nomail.example")) for n in range(9)]
    await load(database, district(), *(message(f"M-{n}", people, created_at=OLD) for n in range(4)))

    both = await asyncio.gather(
        *(run_purge(purge_of(database, tmp_path, rows=2)) for _ in range(2))
    )

    assert sum(one.messages for one in both) == 4
    assert sum(one.recipients for one in both) == 36
    assert len(await rows(database, AUDIT.c.id)) == 4


# Breaking off

VICTIM: Final = """
import asyncio, sys
from datetime import datetime, UTC
from pathlib import Path

from db.connect.database import Database
from delivery.upkeep.purge import run_purge
from tests.delivery.upkeep.purges import purge_of

url, folder, stop = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
database, commits = Database(url), 0


def count():
    global commits
    commits += 1
    if commits == stop:
        print("here", flush=True)
        sys.stdin.readline()  # until the test kills this process


async def main():
    with database.after_commits(count):
        await run_purge(purge_of(database, folder, rows=2))


asyncio.run(main())
"""


@pytest.mark.parametrize("stop", range(1, 9))
async def test_a_purge_that_is_killed_between_two_transactions_is_ended_by_the_next(
    database: Database, database_url: str, tmp_path: Path, stop: int
) -> None:
    await load_old(database)
    victim = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", VICTIM, database_url, str(tmp_path), str(stop)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert victim.stdout is not None
    assert await victim.stdout.readline() == b"here\n"
    victim.send_signal(signal.SIGKILL)
    assert await victim.wait() == -signal.SIGKILL
    assert (await check(database)).is_clean
    left = len(await rows(database, PURGE.c.message_id))

    progress = await run_purge(purge_of(database, tmp_path))

    assert (progress.messages, progress.resumed) == (0, left)
    assert await rows(database, PURGE.c.message_id) == []
    assert await places_with(database, *WORDS) == []
    assert len(await rows(database, AUDIT.c.id)) == 1
    assert (await check(database)).is_clean


@pytest.mark.parametrize("step", ["begin", "remove_deliveries", "remove_recipients", "end"])
async def test_a_failed_step_leaves_nothing_half_done(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await load_old(database)
    module = purge if step in ("begin", "end") else purge_rows
    with monkeypatch.context() as patch:
        patch.setattr(module, step, _failing(getattr(module, step)))
        with pytest.raises(RuntimeError, match="the disk is full"):
            await run_purge(purge_of(database, tmp_path, rows=2))
    assert (await check(database)).is_clean

    await run_purge(purge_of(database, tmp_path))

    assert await places_with(database, *WORDS) == []
    assert len(await rows(database, AUDIT.c.id)) == 1


def _failing(real: Callable[..., Any]) -> Callable[..., Any]:
    async def fail(*arguments: Any, **more: Any) -> Any:
        await real(*arguments, **more)
        raise RuntimeError("the disk is full")

    return fail
