"""How a process that makes a report is started, and how it ends: anew, or forked from `delivery.reports.fork_server`.

A new process imports for seconds on a busy machine, a forked one has everything. What the process says and how it is understood
is `delivery.reports.child`'s. File descriptors are handed on as Linux and macOS do it; Windows cannot.
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
"""Seconds for which a fork server may take to end, once nobody can ask it for anything."""

UNTIL_PREPARED: Final = 5.0
"""Seconds: the start of the server itself, and a command that is soon over, come first."""

LONGEST_TAIL: Final = 150
"""Bytes of what a process wrote before it had an order, for the log."""

_log = structlog.get_logger(__name__)


class NotStarted(Exception):
    """There is no process to make a report; says why."""


class Ends(NamedTuple):
    """The file descriptors that become the new process's: what it reads its order from, what it writes on, what it speaks on."""

    order: int
    output: int
    """Standard output and standard error at once."""
    words: int


class Running(Protocol):
    """A process that was started."""

    def kill(self) -> None:
        """End it now; nothing happens where it has ended."""

    async def wait(self) -> int:
        """Its exit status once it has ended; a negative one is the signal that ended it. Raises `NotStarted`."""


Start = Callable[[Ends], Awaitable[Running]]
"""Starts a process with these descriptors, which stay open here. Raises `NotStarted` or `OSError`."""


def new_process(program: Sequence[str] = PROGRAM) -> Start:
    """How to start a new process with `program`, which gets its descriptor to speak on as the last argument."""

    async def start(ends: Ends) -> Running:
        process = await asyncio.create_subprocess_exec(
            *program,
            str(ends.words),
            stdin=ends.order,
            # One pipe for both: a process whose outputs nobody reads stands still when they are full.
            stdout=ends.output,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(ends.words,),
        )
        return _New(process)

    return start


class _New:
    """A process that was started anew."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def wait(self) -> int:
        return await self._process.wait()


class ForkServer:
    """A process that has imported what reports need, and forks one for each; started when it is first needed, and again if it died.

    It lives until `close`, or as long as this process.
    """

    def __init__(self, program: Sequence[str] = FORK_SERVER) -> None:
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._requests: socket.socket | None = None
        self._draining: asyncio.Task[bytes] | None = None
        self._starting = asyncio.Lock()

    async def start(self) -> None:
        """Start it where it does not run. Returns while it still imports: orders wait for it in its socket."""
        async with self._starting:
            if self._process is not None and self._process.returncode is None:
                return
            await self._forget()
            ours, its = socket.socketpair()
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._program,
                    str(its.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    pass_fds=(its.fileno(),),
                )
            except BaseException:
                ours.close()
                raise
            finally:
                its.close()
            self._requests = ours
            assert self._process.stdout is not None
            self._draining = asyncio.create_task(_tail_of(self._process.stdout))

    async def prepare(self, until: asyncio.Event) -> None:
        """Start it after `UNTIL_PREPARED`, so that the first report does not wait for its imports; not once the event is set."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(UNTIL_PREPARED):
                await until.wait()
        if until.is_set():
            return
        try:
            await self.start()
        except OSError as error:
            _log.warning(
                "the process that starts others for reports could not be started; the next report tries again",
                cause=type(error).__name__,
                errno=error.errno,
            )

    async def fork(self, ends: Ends) -> Running:
        """Start a process with these descriptors. Raises `NotStarted`."""
        control, its = socket.socketpair()
        descriptors = [*ends, its.fileno()]
        try:
            await self.start()
            asked = self._process
            try:
                self._ask(descriptors)
            except OSError:  # it died, and this process has not heard of it yet
                async with self._starting:
                    if self._process is asked:  # else another report has started a new one
                        await self._forget()
                await self.start()
                self._ask(descriptors)
        except OSError as error:
            control.close()
            raise NotStarted(f"the fork server takes no order: {type(error).__name__}") from error
        except BaseException:
            control.close()
            raise
        finally:
            its.close()
        assert self._draining is not None
        reader, writer = await asyncio.open_unix_connection(sock=control)
        return _Forked(reader, writer, server_output=self._draining)

    def _ask(self, descriptors: Sequence[int]) -> None:
        assert self._requests is not None
        socket.send_fds(self._requests, [b"\n"], descriptors)

    async def close(self) -> None:
        """End it, and every process that it has forked."""
        async with self._starting:
            await self._forget()

    async def _forget(self) -> None:
        if self._requests is not None:
            self._requests.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()  # it may still import, and not look at its socket
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


class _Forked:
    """A process that was forked. On its socket the fork server says how it ended, and hears by its end that it shall be killed."""

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
            said = b""
            with contextlib.suppress(OSError):
                said = await self._reader.read()
            self._writer.close()
            if not said:
                last = await _last_line(self._server_output)
                raise NotStarted(f"the process that starts others for reports ended{last}")
            self._status = int(said)
        return self._status


async def _tail_of(stream: asyncio.StreamReader) -> bytes:
    """The last bytes of a stream, once it ends."""
    tail = b""
    while piece := await stream.read(64 * 1024):
        tail = (tail + piece)[-LONGEST_TAIL:]
    return tail


async def _last_line(output: asyncio.Task[bytes]) -> str:
    """The last line of what a fork server that has ended wrote: why it could not start, for the log."""
    await asyncio.wait({output}, timeout=LONGEST_END)
    if not output.done() or output.cancelled():
        return ""
    lines = output.result().decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1]}" if lines else ""
