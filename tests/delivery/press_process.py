"""A server's work on reports that is killed at a certain moment: `python -m tests.delivery.press_process URL FOLDER MOMENT NOW`.

`begun`: a process of its own has just begun to make the report. `stored`: the file is in the store, and no row says so.
"""

import asyncio
import os
import signal
import sys
from datetime import datetime
from typing import Any

from db import report_jobs
from db.engine import make_engine
from delivery.report_store import Place
from delivery.reporting import Press, work_on_reports


def die_at(moment: str) -> None:
    """Have this process killed when the moment comes."""
    start = asyncio.create_subprocess_exec

    async def begun(*arguments: Any, **options: Any) -> None:
        await start(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    async def stored(*arguments: Any, **options: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    if moment == "begun":
        asyncio.create_subprocess_exec = begun  # type: ignore[assignment]
    else:
        report_jobs.finish = stored  # type: ignore[assignment]


async def main(url: str, folder: str, now: datetime) -> None:
    """Work on the reports that wait."""
    press = Press(engine=make_engine(url), place=Place(folder), clock=lambda: now)
    await work_on_reports(press)


if __name__ == "__main__":
    die_at(sys.argv[3])
    asyncio.run(main(sys.argv[1], sys.argv[2], datetime.fromisoformat(sys.argv[4])))
