"""Fork a process for each report: `python -m delivery.reports.fork_server FD`, started by `delivery.reports.start.ForkServer`.

At start it imports everything that a report may need. Each message on its socket FD then brings the file descriptors of a
report (`delivery.reports.start.Descriptors`) and a control socket. A forked process makes the report. The fork server writes
its exit status to the control socket. When the other end of that socket is closed or shut down, it kills the process. When the
other end of FD is closed, it kills all processes.

It has one thread, no event loop and no connection, since a fork would copy half of each. It never reads an order, so nothing
of a report stays in its memory.
"""

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
from importlib import import_module
from typing import Final, NoReturn

# Modules that SQLAlchemy imports by the name of a dialect.
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.aiosqlite

from delivery.reports import process
from domain.report import ReportFormat
from renderers import renderer

DESCRIPTORS: Final = 4
"""The fields of `Descriptors`, and the control socket."""

_LOADED: Final = (sqlalchemy.dialects.postgresql.psycopg, sqlalchemy.dialects.sqlite.aiosqlite)


def main() -> None:
    """Import, then fork until the socket is closed. The last argument is the file descriptor of the socket."""
    # Ctrl-C reaches the whole process group, and a service manager's SIGTERM all processes of the service. Ignore both: the
    # parent closes the socket once it has given its reports back.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import_module("delivery.reports.sources.reading")
    for format in ReportFormat:
        renderer(format)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # The garbage collector skips imported objects, so that forked processes share their memory.
    gc.collect()
    gc.freeze()
    Server(socket.socket(fileno=int(sys.argv[-1]))).serve()


class Server:
    """The event loop of the fork server: fork, kill, and report exit statuses."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._selector = selectors.DefaultSelector()
        self._controls: dict[int, socket.socket] = {}
        """The control socket of each running process, by its pid."""
        self._signal_reader, self._signal_writer = os.pipe()

    def serve(self) -> None:
        """Run until the other end of the socket is closed; then kill all running processes."""
        for descriptor in (self._signal_reader, self._signal_writer):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._signal_writer, warn_on_full_buffer=False)
        signal.signal(
            signal.SIGCHLD, lambda *_: None
        )  # without a handler nothing is written to the pipe
        self._selector.register(self._requests, selectors.EVENT_READ, self._take)
        self._selector.register(self._signal_reader, selectors.EVENT_READ, self._reap)
        while self._requests.fileno() >= 0:
            for key, _ in self._selector.select():
                key.data()
        for pid in self._controls:
            os.kill(pid, signal.SIGKILL)
        for pid in self._controls:
            os.waitpid(pid, 0)

    def _take(self) -> None:
        """Fork a process for the next order."""
        message, descriptors, _, _ = socket.recv_fds(self._requests, 1, DESCRIPTORS)
        if not message:
            self._selector.unregister(self._requests)
            self._requests.close()
            return
        pid = os.fork()
        if pid == 0:
            self._become(*descriptors)
        *ends, control = descriptors
        for descriptor in ends:
            os.close(descriptor)
        self._controls[pid] = socket.socket(fileno=control)
        self._selector.register(control, selectors.EVENT_READ, lambda: self._kill(pid))

    def _kill(self, pid: int) -> None:
        """Kill a process. It is not reaped yet, so its pid cannot belong to another process."""
        self._selector.unregister(self._controls[pid])
        os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Write the exit status of each ended process to its control socket."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._signal_reader, 512):
                pass
        while self._controls:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            control = self._controls.pop(pid)
            with contextlib.suppress(KeyError):  # `_kill` has unregistered it
                self._selector.unregister(control)
            with contextlib.suppress(OSError):
                control.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            control.close()

    def _become(self, order: int, output: int, channel: int, control: int) -> NoReturn:
        """Make the report, in the forked process."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # Close the copies of other processes' sockets, or their peers would never see them closed.
            for other in self._controls.values():
                other.close()
            self._selector.close()
            self._requests.close()
            for descriptor in (self._signal_reader, self._signal_writer, control):
                os.close(descriptor)
            for standard, descriptor in ((0, order), (1, output), (2, output)):
                os.dup2(descriptor, standard)
            os.close(order)
            os.close(output)
            process.run_order(channel)
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            # Not `sys.exit`: the exit handlers of the fork server are not for this process.
            os._exit(status)


if __name__ == "__main__":
    main()
