"""Starts the process that makes a report, and hears what it says: the parent's end of `delivery.report_channel`.

File descriptors are handed on by `pass_fds`, which Linux and macOS have and Windows has not.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import msgspec
import structlog

from db.report_jobs import Made
from delivery.report_channel import Line, Word
from delivery.report_process import Order
from domain.ids import Kind, spell

PROGRAM: Final = (sys.executable, "-m", "delivery.report_process")

LONGEST_TAIL: Final = 150
"""Bytes of what a process wrote before it began, for the log."""

LONGEST_WORD: Final = 1024 * 1024
"""Bytes of a word: a log line with its frames has some thousand."""

LAST_WORDS: Final = 5.0
"""Seconds for which the outputs of a process that has ended are read: somebody else may have inherited them."""

_log = structlog.get_logger(__name__)


class Broken(Exception):
    """A process did not bring its report to an end; says why, with nothing in it that was in the report."""


async def in_own_process(
    order: Order, *, told: Callable[[int], None], program: Sequence[str] = PROGRAM
) -> Made:
    """Carry an order out in a new process, which ends when this is canceled. Raises `Broken`."""
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *program,
            str(writing),
            stdin=asyncio.subprocess.PIPE,
            # One pipe for both: a process whose outputs nobody reads stands still when they are full.
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(writing,),
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    assert process.stdin is not None
    assert process.stdout is not None
    outside = _Outside()
    draining = asyncio.ensure_future(outside.drain(process.stdout))
    report_id = spell(Kind.REPORT, order.job.id)
    try:
        async with _words(reading) as words:
            # Not on the command line: everybody on the machine may read that, and the URL has a password in it.
            process.stdin.write(msgspec.json.encode(order) + b"\n")
            async for word in words:
                if word.started:
                    outside.is_secret = True
                elif word.percent is not None:
                    told(word.percent)
                elif word.line is not None:
                    _write(word.line, report_id)
                elif word.made is not None:
                    return word.made
                else:
                    raise Broken(word.fault)
        status = await process.wait()
        await asyncio.wait({draining}, timeout=LAST_WORDS)
        raise Broken(f"the process ended with {status} and said nothing{outside.tail()}")
    finally:
        process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await asyncio.wait({draining}, timeout=LAST_WORDS)
        draining.cancel()
        if outside.count and outside.is_secret:
            _log.warning(
                "what the process that makes a report wrote outside of its log was dropped",
                report_id=report_id,
                bytes=outside.count,
            )


class _Outside:
    """What a process writes on its standard output and standard error."""

    def __init__(self) -> None:
        self.count = 0
        self.is_secret = False
        """The process has its order, and may write names."""
        self._last = b""

    async def drain(self, stream: asyncio.StreamReader) -> None:
        """Read until the end, and keep the last of what came before the order, such as why the process could not start."""
        while piece := await stream.read(64 * 1024):
            self.count += len(piece)
            if not self.is_secret:
                self._last = (self._last + piece)[-LONGEST_TAIL:]

    def tail(self) -> str:
        """The last line of what came before the order; nothing of what came after it."""
        lines = self._last.decode("utf-8", "replace").strip().splitlines()
        return f": {lines[-1]}" if lines and not self.is_secret else ""


@contextlib.asynccontextmanager
async def _words(descriptor: int) -> AsyncIterator[AsyncIterator[Word]]:
    """The words that come on a descriptor, which is closed at the end of the block."""
    reader = asyncio.StreamReader(limit=LONGEST_WORD)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )

    async def words() -> AsyncIterator[Word]:
        async for line in reader:
            yield msgspec.json.decode(line, type=Word)

    try:
        yield words()
    finally:
        transport.close()


def _write(line: Line, report_id: str) -> None:
    """Write a line of the process into this one's log, which masks it as its own."""
    write = getattr(structlog.get_logger(line.logger), line.level)
    write(line.event, **{**line.about, "report_id": report_id})
