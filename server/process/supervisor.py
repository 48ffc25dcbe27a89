"""Keeps the processes of `sentlog serve --workers N` alive: starts them, asks whether they live, and replaces those that do not.

Signals are uvicorn's supervisor's: SIGINT and SIGTERM stop all, SIGHUP replaces one process after the other, SIGTTIN and SIGTTOU
add and take away one. What a process does is in `server.process.serving_process`.
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
"""Seconds between two looks at all processes, and until a signal is obeyed."""

MOST_OF_A_TICK: Final = 1.0
"""Seconds that one look adds to a silence: when this process itself stood still, that says nothing about the others."""

FIRST_PAUSE: Final = 1.0
"""Seconds before a process that ended before it was ready is started anew; they double each time."""

LONGEST_PAUSE: Final = 60.0

STOP_SECONDS: Final = 15.0
"""Seconds that a process has to end its requests (`server.process.protocols.GRACE`, and some more) before it is killed."""

_log = structlog.get_logger(__name__)


class Child(Process):
    """A server process, and what is known of it."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket]) -> None:
        self.config = config
        self.parent_conn, self.child_conn = Pipe()
        # Pickled here and read there, after it answers: uvicorn's own would import the server before that.
        arguments = (self.child_conn, pickle.dumps(config), sockets)
        self.process = spawn.Process(target=serving_process.run, args=arguments)
        self.is_serving = False
        self.has_served = False
        self.silence = 0.0
        """Seconds for which it owes an answer."""
        self.stopping = 0.0
        """Seconds since it was told to stop."""
        self._is_asked = False

    def start(self) -> None:
        """Start it, without the main module of this process: that is the command line, which takes long to import."""
        with _without_main():
            self.process.start()
        self.child_conn.close()  # so that each side hears when the other is gone

    def look(self, seconds: float) -> None:
        """Take its answer if it is there, and ask again; `seconds` have gone by since the last look."""
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
            self.silence += seconds  # it is about to end

    def end(self) -> str:
        """Kill it if it lives, and how it ended."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.parent_conn.close()
        return how_it_ended(self.process.exitcode)


class Supervisor(Multiprocess):
    """The processes that answer on one socket."""

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
        """No process could start."""
        self._clock = clock
        self._tick = tick
        self._children: list[Child | None] = []
        """None: the place of one that is started anew after a pause."""
        self._due: dict[int, float] = {}
        """When the process of a place is started anew."""
        self._failures: dict[int, int] = {}
        """How often in a row the process of a place ended before it was ready."""
        self._to_replace: list[Child] = []
        """Those that SIGHUP replaces, one after the other."""
        self._replacement: Child | None = None
        self._retired: list[Child] = []
        self._is_ready = False
        self._has_been_ready = False

    def run(self) -> None:
        """Serve until told to stop, and until all processes have ended."""
        self._children = [self._started() for _ in range(self.processes_num)]
        looked_at = self._clock()
        while not self.should_exit.wait(self._tick):
            now = self._clock()
            self.handle_signals()
            self._look(now, min(now - looked_at, MOST_OF_A_TICK))
            looked_at = now
        self._stop_all()

    def restart_all(self) -> None:
        """Replace each process: the new one serves before the old one stops."""
        self._to_replace = [child for child in self._children if child is not None]

    def handle_ttin(self) -> None:
        """Add a process."""
        self.processes_num += 1
        self._children.append(self._started())

    def handle_ttou(self) -> None:
        """Take a process away; the last one stays."""
        if self.processes_num > 1:
            self.processes_num -= 1
            place = len(self._children) - 1
            self._due.pop(place, None)
            self._failures.pop(place, None)
            self._retire(self._children.pop())

    def _started(self) -> Child:
        child = Child(self.config, self.sockets)
        child.start()
        return child

    def _look(self, now: float, seconds: float) -> None:
        for place, child in enumerate(self._children):
            if child is None:
                self._start_when_due(place, now)
                continue
            reason = self._reason_to_end(child, seconds)
            if reason is not None:
                self._replace(place, child, reason, now)
            elif child.is_serving:
                self._failures.pop(place, None)
        self._go_on_replacing(seconds)
        self._end_retired(seconds)
        self._say_when_ready()

    def _reason_to_end(self, child: Child, seconds: float) -> str | None:
        """Why a process is no longer of use; None where it is."""
        if not child.process.is_alive():
            return child.end()
        child.look(seconds)
        if child.silence < self.patience:
            return None
        child.end()
        return f"killed: no answer in {self.patience:g} seconds"

    def _replace(self, place: int, child: Child, reason: str, now: float) -> None:
        self._is_ready = False
        if child.process.exitcode == CANNOT_START and not self._has_been_ready:
            _log.error("the server cannot start", pid=child.pid, reason=reason)
            self.has_failed = True
            self.should_exit.set()
            return
        failures = 0 if child.has_served else self._failures.get(place, 0) + 1
        pause = min(FIRST_PAUSE * 2.0 ** (failures - 1), LONGEST_PAUSE) if failures else 0.0
        _log.warning(
            "a server process ended and is started anew"
            if child.has_served
            else "a server process ended before it was ready and is started anew",
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
            child = self._children[place] = self._started()
            _log.warning("a server process was started anew", pid=child.pid)

    def _go_on_replacing(self, seconds: float) -> None:
        """Bring the next process of a SIGHUP into service."""
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
                else:  # it ended by itself meanwhile, and was started anew
                    self._retire(new)
                self._replacement = None
        if self._replacement is None and self._to_replace:
            self._replacement = self._started()

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

    def _say_when_ready(self) -> None:
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


def how_it_ended(status: int | None) -> str:
    """The exit status of a process in words."""
    if status is None or status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


@contextmanager
def _without_main() -> Iterator[None]:
    """Inside the block, processes that are started do not import the main module of this one."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
