"""A worker that makes reports, for tests that kill it: `python -m tests.delivery.processes.press_process URL FOLDER NOW [PROGRAM …]`.

It runs the runner of its database, without gateways. PROGRAM is the report process instead of the usual one.
"""

import asyncio
import sys
from datetime import datetime
from functools import partial
from typing import Final

from db.connect.database import Database
from delivery.dispatch.runtime import Runtime
from delivery.reports.child import render_in_process
from delivery.reports.jobs import ReportRuntime
from delivery.reports.start import PROGRAM, new_process
from delivery.reports.store import StoreLocation
from server.process.log_output import configure
from tests.delivery.runners.kinds import runner_of

COMMAND: Final = (sys.executable, "-m", "tests.delivery.processes.press_process")


async def main(url: str, folder: str, at: str, *program: str) -> None:
    """Work until killed."""
    now = datetime.fromisoformat(at)
    database = Database(url)
    runtime = Runtime(database=database, gateways={}, clock=lambda: now, chance=lambda: 0.0)
    render = partial(render_in_process, start=new_process(program or PROGRAM))
    report_runtime = ReportRuntime(
        database=database, place=StoreLocation(folder), clock=runtime.clock, render=render
    )
    await runner_of(runtime, report_runtime).work(asyncio.Event())


if __name__ == "__main__":
    configure("error", "console", clock=lambda: datetime.fromisoformat(sys.argv[3]))
    asyncio.run(main(*sys.argv[1:]))
