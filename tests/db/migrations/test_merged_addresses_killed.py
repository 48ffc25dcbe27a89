"""A process that is killed while it merges addresses leaves correct counters, and the next run resumes."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

import pytest

from db.connect.database import Database
from db.migrations import backfills
from tests.db.migrations.test_merged_addresses import (
    LOG,
    addresses,
    assert_counted,
    figures,
    handed_over,
    make_old,
)
from tests.resolvers.uploads import send, wipe

ROOT: Final = Path(__file__).parents[3]

VICTIM: Final = """
import asyncio, sys

from db.connect.database import Database
from db.migrations import backfills, merged_addresses

url, moment = sys.argv[1:]
merged_addresses.ROWS = merged_addresses.MESSAGES = 1
left = int(moment.split()[1])


def here():
    print("here", flush=True)
    signal = asyncio.Event()
    return signal.wait()


async def run():
    database = Database(url)
    for backfill in backfills.BACKFILLS:
        do_piece = backfill.do_piece

        async def count(connection, after):
            global left
            done = await do_piece(connection, after)
            left -= 1
            if left == 0 and moment.startswith("before"):
                await here()
            return done

        while await backfills._do_piece(database, backfill._replace(do_piece=count)):
            if left == 0 and moment.startswith("after"):
                await here()


asyncio.run(run())
"""
"""A backfill that stops before or after the commit of one piece."""


@pytest.mark.parametrize("moment", ["before 1", "after 2", "before 5", "after 5", "before 9"])
async def test_the_next_run_finishes_a_merge_that_was_killed(
    database: Database, database_url: str, moment: str
) -> None:
    await send(database, *LOG)
    await make_old(database)
    before = await figures(database)
    await backfills.run(database)
    expected = await addresses(database), await handed_over(database)
    await wipe(database)
    await send(database, *LOG)
    await make_old(database)

    victim = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", VICTIM, database_url, moment),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert victim.stdout is not None
    assert await victim.stdout.readline() == b"here\n"
    victim.send_signal(signal.SIGKILL)
    assert await victim.wait() == -signal.SIGKILL

    assert await figures(database) == before
    await assert_counted(database)
    assert "addresses" in [progress.name for progress in await backfills.unfinished(database)]

    await backfills.run(database)

    assert (await addresses(database), await handed_over(database)) == expected
    assert await figures(database) == before
    await assert_counted(database)
