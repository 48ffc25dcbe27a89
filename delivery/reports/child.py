"""Make a report in a child process: the parent's end of `delivery.reports.channel`.

`delivery.reports.start` starts the process.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import BinaryIO, Final

import msgspec
import structlog

from db.reports.jobs import MadeReport
from delivery.reports.channel import ChannelMessage, LogLine
from delivery.reports.failures import Failure, FailureKind
from delivery.reports.process import RenderOrder
from delivery.reports.start import (
    LONGEST_TAIL,
    Descriptors,
    NotStarted,
    ReportProcess,
    Start,
    new_process,
)
from domain.ids import Kind, spell

LONGEST_MESSAGE: Final = 1024 * 1024
"""Most bytes of a message: a log line with its frames has some thousand."""

DRAIN_SECONDS: Final = 5.0
"""Seconds for which the output of an ended process is still read: another process may have inherited its end of the pipe."""

_log = structlog.get_logger(__name__)


class Broken(Exception):
    """A process did not finish its report. `failure` has the reason, without any content of the report."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


async def render_in_process(
    order: RenderOrder, *, report_progress: Callable[[int], None], start: Start | None = None
) -> MadeReport:
    """Carry out an order in a child process, which is killed if this call is canceled. Raises `Broken`.

    `start` starts the process; None: a new Python process.
    """
    async with contextlib.AsyncExitStack() as pipes:
        order_reading, order_writing = _pipe(pipes)
        output_reading, output_writing = _pipe(pipes)
        channel_reading, channel_writing = _pipe(pipes)
        try:
            process = await (start or new_process())(
                Descriptors(
                    order_reading.fileno(), output_writing.fileno(), channel_writing.fileno()
                )
            )
        except (NotStarted, OSError) as error:
            raise Broken(_not_started(error)) from error
        for childs_end in (order_reading, output_writing, channel_writing):
            childs_end.close()
        return await _follow(
            order,
            process,
            report_progress,
            writing=order_writing,
            channel=channel_reading,
            output=output_reading,
        )


async def _follow(
    order: RenderOrder,
    process: ReportProcess,
    report_progress: Callable[[int], None],
    *,
    writing: BinaryIO,
    channel: BinaryIO,
    output: BinaryIO,
) -> MadeReport:
    """Send a process its order, read its messages, and make sure that it ends. Raises `Broken`."""
    other_output = _OtherOutput()
    draining = asyncio.ensure_future(other_output.drain(output))
    report_id = spell(Kind.REPORT, order.job.id)
    try:
        # Not on the command line, which every user of the machine can read: the URL contains a password.
        with contextlib.suppress(BrokenPipeError):
            writing.write(msgspec.json.encode(order) + b"\n")
        async with _stream(channel) as lines:
            async for line in lines:
                message = msgspec.json.decode(line, type=ChannelMessage)
                if message.started:
                    other_output.is_secret = True
                elif message.percent is not None:
                    report_progress(message.percent)
                elif message.line is not None:
                    _write(message.line, report_id)
                elif message.made is not None:
                    return message.made
                elif message.failure is not None:
                    raise Broken(message.failure)
        raise Broken(await _failure_of_exit(process, draining, other_output))
    finally:
        writing.close()
        process.kill()
        with contextlib.suppress(NotStarted):
            await process.wait()
        await asyncio.wait({draining}, timeout=DRAIN_SECONDS)
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
        if other_output.count and other_output.is_secret:
            _log.warning(
                "output of the report process outside of its log was dropped",
                report_id=report_id,
                bytes=other_output.count,
            )


async def _failure_of_exit(
    process: ReportProcess, draining: "asyncio.Future[None]", other_output: "_OtherOutput"
) -> Failure:
    """Return the failure of a process that ended without a result."""
    try:
        status = await process.wait()
    except NotStarted as error:
        return _not_started(error)
    await asyncio.wait({draining}, timeout=DRAIN_SECONDS)
    kind = FailureKind.CRASHED
    if status == -signal.SIGKILL:
        kind = FailureKind.KILLED  # most often by the kernel, out of memory
    elif not other_output.is_secret:
        kind = FailureKind.NOT_STARTED
    tail = other_output.tail()
    return Failure(kind, f"the process ended with {status} and without a result{tail}")


def _not_started(error: NotStarted | OSError) -> Failure:
    if isinstance(error, NotStarted):
        return Failure(FailureKind.NOT_STARTED, str(error))
    return Failure(FailureKind.NOT_STARTED, type(error).__name__, errno=error.errno)


def _pipe(closing: contextlib.AsyncExitStack) -> tuple[BinaryIO, BinaryIO]:
    """Return a pipe whose ends are closed at the end of the block."""
    reading, writing = os.pipe()
    return (
        closing.enter_context(os.fdopen(reading, "rb", buffering=0)),
        closing.enter_context(os.fdopen(writing, "wb", buffering=0)),
    )


class _OtherOutput:
    """The output of a process on its standard output and standard error."""

    def __init__(self) -> None:
        self.count = 0
        self.is_secret = False
        """The process has its order, so its output may contain names."""
        self._last = b""

    async def drain(self, output: BinaryIO) -> None:
        """Read until the end. Keep the tail of the output before the order, such as why the process could not start."""
        async with _stream(output) as stream:
            while piece := await stream.read(64 * 1024):
                self.count += len(piece)
                if not self.is_secret:
                    self._last = (self._last + piece)[-LONGEST_TAIL:]

    def tail(self) -> str:
        """Return the last line of the output before the order; an empty text once the order was sent."""
        lines = self._last.decode("utf-8", "replace").strip().splitlines()
        return f": {lines[-1]}" if lines and not self.is_secret else ""


@contextlib.asynccontextmanager
async def _stream(pipe: BinaryIO) -> AsyncIterator[asyncio.StreamReader]:
    """Yield a reader of a pipe, which is closed at the end of the block."""
    reader = asyncio.StreamReader(limit=LONGEST_MESSAGE)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), pipe
    )
    try:
        yield reader
    finally:
        transport.close()


def _write(line: LogLine, report_id: str) -> None:
    """Write a log line of the child process into this process's log, which masks it like its own lines."""
    write = getattr(structlog.get_logger(line.logger), line.level)
    write(line.event, **{**line.about, "report_id": report_id})
