"""Supervises the processes of `sentlog serve --workers N`: starts them, checks them, and replaces those that fail.

Signals are those of uvicorn's supervisor: SIGINT and SIGTERM stop all; SIGHUP replaces one process after the other;
SIGTTIN and SIGTTOU add and remove one. `server.process.serving_process` is the code of a process.
"""

import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import Pipe
from socket import socket
from types import ModuleType
from typing import Final

import structlog
import uvicorn
from uvicorn._subprocess import spawn
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from server.process import serving_process
from server.process.serving_process import CANNOT_START

TICK: Final = 0.25
"""Seconds between two checks of all processes; signals are handled at the same pace."""

MOST_OF_A_TICK: Final = 1.0
"""Maximum seconds that one check adds to a silence: if the supervisor itself was suspended, the processes are not to blame."""

FIRST_PAUSE: Final = 1.0
"""Seconds until a process that ended before it was ready is restarted; doubled each time."""

LONGEST_PAUSE: Final = 60.0

STOP_SECONDS: Final = 15.0
"""Seconds for a process to finish its requests before it is killed; longer than `server.process.protocols.GRACE`."""

_log = structlog.get_logger(__name__)


class Child(Process):
    """A server process and its state, as far as the supervisor knows it."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket]) -> None:
        self.config = config
        self.parent_conn, self.child_conn = Pipe()
        # Pickled here and unpickled after it answers: uvicorn's own pickling would import the server before that.
        arguments = (self.child_conn, pickle.dumps(config), sockets)
        self.process = spawn.Process(target=serving_process.run, args=arguments)
        self.is_serving = False
        self.has_served = False
        self.silence = 0.0
        """Seconds since an unanswered ping."""
        self.stopping = 0.0
        """Seconds since it was asked to stop."""
        self._is_asked = False

    def start(self) -> None:
        """Start it without importing the main module of this process: the command line takes long to import."""
        with _without_main():
            self.process.start()
        self.child_conn.close()  # so that each side sees when the other has closed

    def check(self, seconds: float) -> None:
        """Read its answer, if there is one, and ping again; `seconds` is the time since the last check."""
        try:
            while self.parent_conn.poll():
                self.is_serving = self.parent_conn.recv()
                self.has_served = self.has_served or self.is_serving
                self._is_asked, self.silence = False, 0.0
            if self._is_asked:
                self.silence += seconds
            else:
                self.parent_conn.send_bytes(b"?")
                self._is_asked = True
        except (OSError, EOFError):
            self.silence += seconds  # the process is ending

    def end(self) -> str:
        """Kill it if it is alive, and return how it ended."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.parent_conn.close()
        return describe_exit(self.process.exitcode)


class Supervisor(Multiprocess):
    """The processes that serve one socket."""

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: list[socket],
        *,
        clock: Callable[[], float] = time.monotonic,
        tick: float = TICK,
    ) -> None:
        """A process that does not answer for `config.timeout_worker_healthcheck` seconds is killed."""
        super().__init__(config, sockets)
        self.patience = config.timeout_worker_healthcheck
        self.has_failed = False
        """Whether no process could start."""
        self._clock = clock
        self._tick = tick
        self._children: list[Child | None] = []
        """None: this slot waits for a restart."""
        self._due: dict[int, float] = {}
        """When the process of a slot is restarted."""
        self._failures: dict[int, int] = {}
        """Consecutive failures of a slot before it was ready."""
        self._to_replace: list[Child] = []
        """The processes that SIGHUP has yet to replace."""
        self._replacement: Child | None = None
        self._retired: list[Child] = []
        self._is_ready = False
        self._has_been_ready = False

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM, then wait until all processes have ended."""
        self._children = [self._start_child() for _ in range(self.processes_num)]
        checked_at = self._clock()
        while not self.should_exit.wait(self._tick):
            now = self._clock()
            self.handle_signals()
            self._check_all(now, min(now - checked_at, MOST_OF_A_TICK))
            checked_at = now
        self._stop_all()

    def restart_all(self) -> None:
        """Replace each process; the new one serves before the old one stops."""
        self._to_replace = [child for child in self._children if child is not None]

    def handle_ttin(self) -> None:
        """Add a process."""
        self.processes_num += 1
        self._children.append(self._start_child())

    def handle_ttou(self) -> None:
        """Remove a process, unless it is the last one."""
        if self.processes_num > 1:
            self.processes_num -= 1
            place = len(self._children) - 1
            self._due.pop(place, None)
            self._failures.pop(place, None)
            self._retire(self._children.pop())

    def _start_child(self) -> Child:
        child = Child(self.config, self.sockets)
        child.start()
        return child

    def _check_all(self, now: float, seconds: float) -> None:
        for place, child in enumerate(self._children):
            if child is None:
                self._start_when_due(place, now)
                continue
            reason = self._reason_to_end(child, seconds)
            if reason is not None:
                self._replace(place, child, reason, now)
            elif child.is_serving:
                self._failures.pop(place, None)
        self._continue_replacing(seconds)
        self._end_retired(seconds)
        self._log_when_ready()

    def _reason_to_end(self, child: Child, seconds: float) -> str | None:
        """Why the process must be replaced; None if it works."""
        if not child.process.is_alive():
            return child.end()
        child.check(seconds)
        if child.silence < self.patience:
            return None
        child.end()
        return f"killed: no answer in {self.patience:g} seconds"

    def _replace(self, place: int, child: Child, reason: str, now: float) -> None:
        self._is_ready = False
        if child.process.exitcode == CANNOT_START and not self._has_been_ready:
            if self.has_failed:  # another process of the same start has said so
                return
            _log.error("the server cannot start", pid=child.pid, reason=reason)
            self.has_failed = True
            self.should_exit.set()
            return
        failures = 0 if child.has_served else self._failures.get(place, 0) + 1
        pause = min(FIRST_PAUSE * 2.0 ** (failures - 1), LONGEST_PAUSE) if failures else 0.0
        _log.warning(
            "a server process ended and is restarted"
            if child.has_served
            else "a server process ended before it was ready and is restarted",
            pid=child.pid,
            reason=reason,
            seconds=pause,
        )
        self._children[place] = None
        self._failures[place] = failures
        self._due[place] = now + pause
        self._start_when_due(place, now)

    def _start_when_due(self, place: int, now: float) -> None:
        if now >= self._due.get(place, now):
            self._due.pop(place, None)
            child = self._children[place] = self._start_child()
            _log.warning("a server process was restarted", pid=child.pid)

    def _continue_replacing(self, seconds: float) -> None:
        """Continue with the replacement of processes after SIGHUP."""
        new = self._replacement
        if new is not None:
            reason = self._reason_to_end(new, seconds)
            if reason is not None:
                _log.error(
                    "a new server process ended before it was ready; the old ones stay",
                    pid=new.pid,
                    reason=reason,
                )
                self._replacement, self._to_replace = None, []
            elif new.is_serving:
                old = self._to_replace.pop(0)
                if old in self._children:
                    self._children[self._children.index(old)] = new
                    self._retire(old)
                else:  # the old one ended meanwhile and was restarted
                    self._retire(new)
                self._replacement = None
        if self._replacement is None and self._to_replace:
            self._replacement = self._start_child()

    def _retire(self, child: Child | None) -> None:
        if child is not None:
            child.terminate()
            self._retired.append(child)

    def _end_retired(self, seconds: float) -> None:
        for child in list(self._retired):
            child.stopping += seconds
            if not child.process.is_alive() or child.stopping >= STOP_SECONDS:
                if child.process.is_alive():
                    _log.warning(
                        "a server process did not stop and was killed",
                        pid=child.pid,
                        seconds=STOP_SECONDS,
                    )
                child.end()
                self._retired.remove(child)

    def _log_when_ready(self) -> None:
        if self._is_ready or not all(child and child.is_serving for child in self._children):
            return
        self._is_ready = self._has_been_ready = True
        _log.info("all server processes are ready", workers=len(self._children))

    def _stop_all(self) -> None:
        for child in [*self._children, self._replacement]:
            self._retire(child)
        until = self._clock() + STOP_SECONDS
        for child in self._retired:
            child.process.join(max(until - self._clock(), 0))
        self._end_retired(STOP_SECONDS)


def describe_exit(status: int | None) -> str:
    """The exit status of a process in words."""
    if status is None or status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


@contextmanager
def _without_main() -> Iterator[None]:
    """Start processes in the block without importing the main module of this one."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
