"""Makes one report, in a process of its own: forked from `delivery.reports.fork_server`, or `python -m delivery.reports.process FD`.

It reads its order from standard input, a line of JSON, and says on the file descriptor FD how far it is and how it ended
(`delivery.reports.channel`). It only reads the database: what comes of the report is written by whoever started it.
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

from db.connect.engine import SMALL_CACHE, make_engine
from db.reports.jobs import Made, ReportJob
from delivery.reports.channel import Channel, Word, log_by, where
from delivery.reports.failures import failure_of
from delivery.reports.source import reading_report
from delivery.reports.store import Place, open_store
from renderers import renderer

STEP: Final = 1.0
"""Seconds between two words on how far it is."""

POLITENESS: Final = 19
"""What is taken from its priority where there is no class for what may wait."""

_channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A report to make, from which database, and where to put it under which key."""

    database_url: str
    place: Place
    job: ReportJob
    key: str
    is_large: bool = False
    """It has more rows than `domain.report.MOST_SMALL`: it is made at idle priority."""


async def make(order: Order, *, clock: Callable[[], datetime], told: Callable[[int], None]) -> Made:
    """Make a report and put it into its store. `told` gets its percentage, from another thread; what it raises ends all.

    Raises `Purged`, `NotKept`, or what reading and rendering met.
    """
    engine = make_engine(order.database_url, cache=SMALL_CACHE)
    render = renderer(order.job.format)
    try:
        # Without a name: killed at any moment, nothing of it is left behind.
        with tempfile.TemporaryFile() as file:
            async with reading_report(engine, order.job, clock=clock) as reading:
                rendered = await asyncio.to_thread(
                    render,
                    reading.report,
                    file,
                    progress=lambda rows: told(reading.percent),
                )
            file.seek(0)
            stored = await asyncio.to_thread(open_store(order.place).put, order.key, file)
    finally:
        await engine.dispose()
    return Made(order.key, reading.report.as_of, rendered.rows, stored.byte_size, stored.sha256)


def main() -> None:
    """Carry out one order in this process; the last argument is the file descriptor to speak on."""
    carry_out(int(sys.argv[-1]))


def carry_out(descriptor: int) -> None:
    """Read the order, do it, and say how it went. A reader who is gone is a reason to stop: so nobody makes it twice.

    Raises `SystemExit` where nobody reads any more.
    """
    global _channel
    _channel = Channel(descriptor)
    log_by(say)
    say(Word(started=True))
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    if order.is_large:
        # Before there is a second thread: on Linux the class is a thread's, and those it starts inherit it.
        make_way()
    last = time.monotonic()

    def told(percent: int) -> None:
        nonlocal last
        if time.monotonic() - last >= STEP:
            last = time.monotonic()
            say(Word(percent=percent))

    try:
        try:
            word = Word(made=asyncio.run(make(order, clock=lambda: datetime.now(UTC), told=told)))
        except BrokenPipeError:
            raise
        except Exception as error:
            word = Word(failure=failure_of(error, where=tuple(where(error))))
        say(word)
    except BrokenPipeError:
        sys.exit(1)


def make_way() -> None:
    """Take the processor when nobody else wants it: answers to requests come before large reports.

    A low priority is not enough: it keeps its turn of some milliseconds, and who answers a request waits for the end of it.
    There is no way back without a privilege.
    """
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    elif hasattr(os, "nice"):
        os.nice(POLITENESS)


def say(word: Word) -> None:
    """Say a word to whoever started this process, at once."""
    assert _channel is not None
    _channel.say(word)


if __name__ == "__main__":
    main()
