"""A process that is killed while it merges addresses leaves correct counters, and the next run resumes."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

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

from db.connect.engine import make_engine
from db.migrations import backfills, merged_addresses

url, moment = sys.argv[1:]
merged_addresses.ROWS = merged_addresses.MESSAGES = 1
left = int(moment.split()[1])


def here():
    print("here", flush=True)
    signal = asyncio.Event()
    return signal.wait()


async def run():
    engine = make_engine(url)
    for backfill in backfills.BACKFILLS:
        do_piece = backfill.do_piece

        async def count(connection, after):
            global left
            done = await do_piece(connection, after)
            left -= 1
            if left == 0 and moment.startswith("before"):
                await here()
            return done

        while await backfills._do_piece(engine, backfill._replace(do_piece=count)):
            if left == 0 and moment.startswith("after"):
                await here()


asyncio.run(run())
"""
"""A backfill that stops before or after the commit of one piece."""


@pytest.mark.parametrize("moment", ["before 1", "after 2", "before 5", "after 5", "before 9"])
async def test_the_next_run_finishes_a_merge_that_was_killed(
    engine: AsyncEngine, database_url: str, moment: str
) -> None:
    await send(engine, *LOG)
    await make_old(engine)
    before = await figures(engine)
    await backfills.run(engine)
    expected = await addresses(engine), await handed_over(engine)
    await wipe(engine)
    await send(engine, *LOG)
    await make_old(engine)

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

    assert await figures(engine) == before
    await assert_counted(engine)
    assert "addresses" in [progress.name for progress in await backfills.unfinished(engine)]

    await backfills.run(engine)

    assert (await addresses(engine), await handed_over(engine)) == expected
    assert await figures(engine) == before
    await assert_counted(engine)
