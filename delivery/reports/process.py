"""Make one report in a child process: forked by `delivery.reports.fork_server`, or `python -m delivery.reports.process FD`.

It reads its order, a line of JSON, from standard input. It sends its progress and its result on the file descriptor FD
(`delivery.reports.channel`). It only reads the database: the parent writes the result.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from db.connect.database import Database
from db.connect.engine import SMALL_CACHE
from db.reports.jobs import MadeReport, ReportJob
from delivery.reports.channel import Channel, ChannelMessage, log_through, where
from delivery.reports.failures import failure_of
from delivery.reports.store import StoreLocation, open_store
from renderers import renderer

STEP: Final = 1.0
"""Seconds between two progress messages."""

NICENESS: Final = 19
"""The increment of the nice value on systems without an idle scheduling class."""

_channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class RenderOrder:
    """A report to make, its database, and the store and key of its file."""

    database_url: str
    place: StoreLocation
    job: ReportJob
    key: str
    is_large: bool = False
    """It has more rows than `domain.report.MOST_SMALL`, so it is made at idle priority."""


async def make(
    order: RenderOrder, *, clock: Callable[[], datetime], report_progress: Callable[[int], None]
) -> MadeReport:
    """Make a report and put it into its store.

    `report_progress` gets the percentage, in another thread; an exception in it ends the work. Raises `Purged`,
    `PersonPurged`, `StoreError`, or any error of reading and rendering.
    """
    # Imported here, because a server imports this module, and makes no files itself.
    from delivery.reports.sources.reading import reading_report

    database = Database(order.database_url, cache=SMALL_CACHE)
    render = renderer(order.job.format)
    try:
        # A file without a name: if the process is killed, nothing is left behind.
        with tempfile.TemporaryFile() as file:
            async with reading_report(database, order.job, clock=clock) as reading:
                rendered = await asyncio.to_thread(
                    render,
                    reading.report,
                    file,
                    progress=lambda rows: report_progress(reading.percent),
                )
            file.seek(0)
            stored = await asyncio.to_thread(open_store(order.place).put, order.key, file)
    finally:
        await database.dispose()
    return MadeReport(
        order.key, reading.report.as_of, rendered.rows, stored.byte_size, stored.sha256
    )


def main() -> None:
    """Carry out one order in this process; the last argument is the file descriptor of the channel."""
    run_order(int(sys.argv[-1]))


def run_order(descriptor: int) -> None:
    """Read the order, carry it out, and send the result.

    Raises `SystemExit` if the parent is gone: another process may make the report then.
    """
    global _channel
    _channel = Channel(descriptor)
    log_through(send)
    send(ChannelMessage(started=True))
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=RenderOrder)
    if order.is_large:
        # Before there is a second thread: on Linux each thread has a scheduling class, and new threads inherit it.
        lower_priority()
    last = time.monotonic()

    def report_progress(percent: int) -> None:
        nonlocal last
        if time.monotonic() - last >= STEP:
            last = time.monotonic()
            send(ChannelMessage(percent=percent))

    try:
        try:
            work = make(order, clock=lambda: datetime.now(UTC), report_progress=report_progress)
            message = ChannelMessage(made=asyncio.run(work))
        except BrokenPipeError:
            raise
        except Exception as error:
            message = ChannelMessage(failure=failure_of(error, where=tuple(where(error))))
        send(message)
    except BrokenPipeError:
        sys.exit(1)


def lower_priority() -> None:
    """Run at idle priority: responses to requests come before large reports.

    A high nice value is not enough: the process keeps its time slice of some milliseconds, and a request waits for its end.
    Only a privileged process can undo this.
    """
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    elif hasattr(os, "nice"):
        os.nice(NICENESS)


def send(message: ChannelMessage) -> None:
    """Send a message to the parent at once."""
    assert _channel is not None
    _channel.send(message)


if __name__ == "__main__":
    main()
