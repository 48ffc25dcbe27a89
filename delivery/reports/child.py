"""Has a process make a report, and hears what it says: the parent's end of `delivery.reports.channel`.

How such a process is started is in `delivery.reports.start`.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO, Final

import msgspec
import structlog

from db.reports.jobs import Made
from delivery.reports.channel import Line, Word
from delivery.reports.failures import Failure, FailureKind
from delivery.reports.process import Order
from delivery.reports.start import LONGEST_TAIL, Ends, NotStarted, Running, Start, new_process
from domain.ids import Kind, spell

LONGEST_WORD: Final = 1024 * 1024
"""Bytes of a word: a log line with its frames has some thousand."""

LAST_WORDS: Final = 5.0
"""Seconds for which the outputs of a process that has ended are read: somebody else may have inherited them."""

_log = structlog.get_logger(__name__)


class Broken(Exception):
    """A process did not bring its report to an end; says why, with nothing in it that was in the report."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


async def in_own_process(
    order: Order, *, told: Callable[[int], None], start: Start | None = None
) -> Made:
    """Carry an order out in a process of its own, which ends when this is canceled: a new one, or as `start` gives it.

    Raises `Broken`.
    """
    async with contextlib.AsyncExitStack() as pipes:
        order_reading, order_writing = _pipe(pipes)
        output_reading, output_writing = _pipe(pipes)
        words_reading, words_writing = _pipe(pipes)
        try:
            process = await (start or new_process())(
                Ends(order_reading.fileno(), output_writing.fileno(), words_writing.fileno())
            )
        except (NotStarted, OSError) as error:
            raise Broken(_not_started(error)) from error
        for theirs in (order_reading, output_writing, words_writing):
            theirs.close()
        return await _follow(
            order, process, told, writing=order_writing, words=words_reading, output=output_reading
        )


async def _follow(
    order: Order,
    process: Running,
    told: Callable[[int], None],
    *,
    writing: BinaryIO,
    words: BinaryIO,
    output: BinaryIO,
) -> Made:
    """Give a process its order, hear it to its end, and see that it ends. Raises `Broken`."""
    outside = _Outside()
    draining = asyncio.ensure_future(outside.drain(output))
    report_id = spell(Kind.REPORT, order.job.id)
    try:
        # Not on the command line: everybody on the machine may read that, and the URL has a password in it.
        with contextlib.suppress(BrokenPipeError):
            writing.write(msgspec.json.encode(order) + b"\n")
        async with _stream(words) as lines:
            async for line in lines:
                word = msgspec.json.decode(line, type=Word)
                if word.started:
                    outside.is_secret = True
                elif word.percent is not None:
                    told(word.percent)
                elif word.line is not None:
                    _write(word.line, report_id)
                elif word.made is not None:
                    return word.made
                elif word.failure is not None:
                    raise Broken(word.failure)
        raise Broken(await _ended(process, draining, outside))
    finally:
        writing.close()
        process.kill()
        with contextlib.suppress(NotStarted):
            await process.wait()
        await asyncio.wait({draining}, timeout=LAST_WORDS)
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
        if outside.count and outside.is_secret:
            _log.warning(
                "what the process that makes a report wrote outside of its log was dropped",
                report_id=report_id,
                bytes=outside.count,
            )


async def _ended(
    process: Running, draining: "asyncio.Future[None]", outside: "_Outside"
) -> Failure:
    """The failure of a process that ended and said nothing of it."""
    try:
        status = await process.wait()
    except NotStarted as error:
        return _not_started(error)
    await asyncio.wait({draining}, timeout=LAST_WORDS)
    kind = FailureKind.CRASHED
    if status == -signal.SIGKILL:
        kind = FailureKind.KILLED  # by the kernel, most often: memory
    elif not outside.is_secret:
        kind = FailureKind.NOT_STARTED
    return Failure(kind, f"the process ended with {status} and said nothing{outside.tail()}")


def _not_started(error: NotStarted | OSError) -> Failure:
    if isinstance(error, NotStarted):
        return Failure(FailureKind.NOT_STARTED, str(error))
    return Failure(FailureKind.NOT_STARTED, type(error).__name__, errno=error.errno)


def _pipe(closing: contextlib.AsyncExitStack) -> tuple[BinaryIO, BinaryIO]:
    """A pipe, of which what is still open is closed at the end of the block."""
    reading, writing = os.pipe()
    return (
        closing.enter_context(os.fdopen(reading, "rb", buffering=0)),
        closing.enter_context(os.fdopen(writing, "wb", buffering=0)),
    )


class _Outside:
    """What a process writes on its standard output and standard error."""

    def __init__(self) -> None:
        self.count = 0
        self.is_secret = False
        """The process has its order, and may write names."""
        self._last = b""

    async def drain(self, output: BinaryIO) -> None:
        """Read until the end, and keep the last of what came before the order, such as why the process could not start."""
        async with _stream(output) as stream:
            while piece := await stream.read(64 * 1024):
                self.count += len(piece)
                if not self.is_secret:
                    self._last = (self._last + piece)[-LONGEST_TAIL:]

    def tail(self) -> str:
        """The last line of what came before the order; nothing of what came after it."""
        lines = self._last.decode("utf-8", "replace").strip().splitlines()
        return f": {lines[-1]}" if lines and not self.is_secret else ""


@contextlib.asynccontextmanager
async def _stream(pipe: BinaryIO) -> AsyncIterator[asyncio.StreamReader]:
    """What comes out of a pipe, which is closed at the end of the block."""
    reader = asyncio.StreamReader(limit=LONGEST_WORD)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        yield reader
    finally:
        transport.close()


def _write(line: Line, report_id: str) -> None:
    """Write a line of the process into this one's log, which masks it as its own."""
    write = getattr(structlog.get_logger(line.logger), line.level)
    write(line.event, **{**line.about, "report_id": report_id})
