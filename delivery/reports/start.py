"""Start and end the process that makes a report: a new one, or one forked by `delivery.reports.fork_server`.

A new process imports for seconds on a busy machine; a forked one has its imports. `delivery.reports.child` reads its messages.
Passing file descriptors works on Linux and macOS, not on Windows.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, Protocol

import structlog

PROGRAM: Final = (sys.executable, "-m", "delivery.reports.process")
FORK_SERVER: Final = (sys.executable, "-m", "delivery.reports.fork_server")

LONGEST_END: Final = 5.0
"""Timeout in seconds for the end of a fork server."""

UNTIL_PREPARED: Final = 5.0
"""Delay in seconds before the fork server starts: the server's own start comes first, and a short command needs none."""

LONGEST_TAIL: Final = 150
"""Most bytes for the log of a process's output before its order."""

_log = structlog.get_logger(__name__)


class NotStarted(Exception):
    """The process that makes a report could not be started; the message has the reason."""


class Descriptors(NamedTuple):
    """The file descriptors of the new process."""

    order: int
    """Standard input, for the order."""
    output: int
    """Standard output and standard error."""
    channel: int
    """The channel to the parent."""


class ReportProcess(Protocol):
    """A running process that makes a report."""

    def kill(self) -> None:
        """Kill the process; do nothing if it has ended."""

    async def wait(self) -> int:
        """Wait for the end and return the exit status; a negative one is a signal. Raises `NotStarted`."""


Start = Callable[[Descriptors], Awaitable[ReportProcess]]
"""Starts a process with these descriptors, which the caller closes. Raises `NotStarted` or `OSError`."""


def new_process(program: Sequence[str] = PROGRAM) -> Start:
    """Return a function that starts a new process with `program`, whose last argument is the channel's descriptor."""

    async def start(descriptors: Descriptors) -> ReportProcess:
        process = await asyncio.create_subprocess_exec(
            *program,
            str(descriptors.channel),
            stdin=descriptors.order,
            # One pipe for both outputs, which is read: a process blocks when its output pipe is full.
            stdout=descriptors.output,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(descriptors.channel,),
        )
        return _NewProcess(process)

    return start


class _NewProcess:
    """A new Python process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def wait(self) -> int:
        return await self._process.wait()


class ForkServer:
    """A process with all imports, which forks a process for each report. It starts on first use, and again if it died.

    It runs until `close`, or until this process ends.
    """

    def __init__(self, program: Sequence[str] = FORK_SERVER) -> None:
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._requests: socket.socket | None = None
        self._draining: asyncio.Task[bytes] | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start it if it does not run. Returns while it still imports: orders wait in its socket."""
        async with self._starting:
            if self._process is not None and self._process.returncode is None:
                return
            await self._stop()
            our_end, its_end = socket.socketpair()
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._program,
                    str(its_end.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    pass_fds=(its_end.fileno(),),
                )
            except BaseException:
                our_end.close()
                raise
            finally:
                its_end.close()
            self._requests = our_end
            assert self._process.stdout is not None
            self._draining = asyncio.create_task(_tail_of(self._process.stdout))

    async def prepare(self, until: asyncio.Event) -> None:
        """Start it after `UNTIL_PREPARED` seconds, unless the event is set before: the first report then needs no wait."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UNTIL_PREPARED):
                await until.wait()
        if until.is_set():
            return
        try:
            await self.start()
        except OSError as error:
            _log.warning(
                "the fork server for reports could not be started; the next report tries again",
                cause=type(error).__name__,
                errno=error.errno,
            )

    async def fork(self, descriptors: Descriptors) -> ReportProcess:
        """Fork a process with these descriptors. Raises `NotStarted`."""
        control, its_end = socket.socketpair()
        all_descriptors = [*descriptors, its_end.fileno()]
        try:
            await self.start()
            server = self._process
            try:
                self._request(all_descriptors)
            except OSError:  # it died, and its exit was not noticed yet
                async with self._starting:
                    if self._process is server:  # otherwise another report has started a new one
                        await self._stop()
                await self.start()
                self._request(all_descriptors)
        except OSError as error:
            control.close()
            raise NotStarted(f"the fork server does not respond: {type(error).__name__}") from error
        except BaseException:
            control.close()
            raise
        finally:
            its_end.close()
        assert self._draining is not None
        reader, writer = await asyncio.open_unix_connection(sock=control)
        return _ForkedProcess(reader, writer, server_output=self._draining)

    def _request(self, descriptors: Sequence[int]) -> None:
        assert self._requests is not None
        socket.send_fds(self._requests, [b"\n"], descriptors)

    async def close(self) -> None:
        """End it, and all processes that it has forked."""
        async with self._starting:
            await self._stop()

    async def _stop(self) -> None:
        if self._requests is not None:
            self._requests.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()  # during its imports it does not read its socket
            try:
                async with asyncio.timeout(LONGEST_END):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._draining is not None:
            await asyncio.wait({self._draining}, timeout=LONGEST_END)
            self._draining.cancel()
        self._process = self._requests = self._draining = None


class _ForkedProcess:
    """A forked process. Its control socket brings the exit status from the fork server; shutting it down kills the process."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        server_output: asyncio.Task[bytes],
    ) -> None:
        self._reader, self._writer = reader, writer
        self._server_output = server_output
        self._status: int | None = None

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.write_eof()

    async def wait(self) -> int:
        if self._status is None:
            status = b""
            with contextlib.suppress(OSError):
                status = await self._reader.read()
            self._writer.close()
            if not status:
                last = await _last_line(self._server_output)
                raise NotStarted(f"the fork server for reports ended{last}")
            self._status = int(status)
        return self._status


async def _tail_of(stream: asyncio.StreamReader) -> bytes:
    """Read a stream to its end and return its last bytes."""
    tail = b""
    while piece := await stream.read(64 * 1024):
        tail = (tail + piece)[-LONGEST_TAIL:]
    return tail


async def _last_line(output: asyncio.Task[bytes]) -> str:
    """Return the last output line of an ended fork server, for the log: why it could not start."""
    await asyncio.wait({output}, timeout=LONGEST_END)
    if not output.done() or output.cancelled():
        return ""
    lines = output.result().decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""
