"""Forks a process for each report: `python -m delivery.reports.fork_server FD`, started by `delivery.reports.start.ForkServer`.

It imports all that a report may need, once. Then each message on its socket FD brings the file descriptors of a report
(`delivery.reports.start.Ends`) and a socket of its own. A forked process makes the report, and the fork server says on that socket
with which status it ended. When the other end of it is closed or shut down, the process is killed; when FD's is, all of them are.

It has one thread, no event loop and no connection, since a fork would copy half of each; and it never reads an order, so nothing of a report
stays in its memory.
"""

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
from typing import Final, NoReturn

# What `make_engine` loads by the name of a dialect.
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.aiosqlite

from delivery.reports import process
from domain.report import ReportFormat
from renderers import renderer

DESCRIPTORS: Final = 4
"""Those of `Ends`, and the socket on which to say how the process ended."""

_LOADED: Final = (sqlalchemy.dialects.postgresql.psycopg, sqlalchemy.dialects.sqlite.aiosqlite)


def main() -> None:
    """Import, then fork until nobody can ask for more. The last argument is the file descriptor of the socket."""
    # Ctrl-C reaches the whole group, and a service manager's SIGTERM all processes of the service: whoever started this one
    # ends it by its socket, once reports are given back.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for format in ReportFormat:
        renderer(format)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # What is imported is not looked at by the collector any more, so that forked processes share its memory.
    gc.collect()
    gc.freeze()
    Server(socket.socket(fileno=int(sys.argv[-1]))).serve()


class Server:
    """The loop: orders, ends of processes, and processes that shall end."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._selector = selectors.DefaultSelector()
        self._controls: dict[int, socket.socket] = {}
        """The socket of each process that runs, by its pid."""
        self._woken, self._waking = os.pipe()

    def serve(self) -> None:
        """Run until the other end of the socket is closed; then kill what runs."""
        for descriptor in (self._woken, self._waking):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._waking, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # so that the pipe is written into
        self._selector.register(self._requests, selectors.EVENT_READ, self._take)
        self._selector.register(self._woken, selectors.EVENT_READ, self._reap)
        while self._requests.fileno() >= 0:
            for key, _ in self._selector.select():
                key.data()
        for pid in self._controls:
            os.kill(pid, signal.SIGKILL)
        for pid in self._controls:
            os.waitpid(pid, 0)

    def _take(self) -> None:
        """Fork for the next order."""
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
        """Kill a process that is still ours: it is not reaped, so the number is no other's."""
        self._selector.unregister(self._controls[pid])
        os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        """Say of each process that has ended how."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._woken, 512):
                pass
        while self._controls:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            control = self._controls.pop(pid)
            with contextlib.suppress(KeyError):  # it was killed from here
                self._selector.unregister(control)
            with contextlib.suppress(OSError):
                control.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            control.close()

    def _become(self, order: int, output: int, words: int, control: int) -> NoReturn:
        """Make the report, in the forked process."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # Of another process's socket no copy may be left here, or its end would not be seen.
            for other in self._controls.values():
                other.close()
            self._selector.close()
            self._requests.close()
            for descriptor in (self._woken, self._waking, control):
                os.close(descriptor)
            for standard, descriptor in ((0, order), (1, output), (2, output)):
                os.dup2(descriptor, standard)
            os.close(order)
            os.close(output)
            process.carry_out(words)
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            # Not `sys.exit`: what the fork server set up to be done at its end is not this process's.
            os._exit(status)


if __name__ == "__main__":
    main()
