"""A process that makes reports and is told what to do in the middle of one: `python -m tests.delivery.processes.odd_process START HOW [FIFO] FD`.

START: `new`, or `fork` to be the fork server whose processes do it. HOW: `nothing`; `policy`, it fails with `Idle` or `Ordinary` as
the scheduling class of all its threads says; `kill`, it kills itself; `abort`; `halt`, it writes its number into the FIFO and stands still;
`early`, it cannot even start.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any, TextIO

from delivery.reports import fork_server, process

_held_open: list[TextIO] = []


class Idle(Exception):
    """Every thread is of the idle class."""


class Ordinary(Exception):
    """Every thread is of the ordinary class."""


def tell_policy() -> None:
    """Raise what the threads of this process are, the one that reads the database among them."""
    threads = [int(name) for name in os.listdir("/proc/self/task")]
    assert len(threads) > 1
    found = {os.sched_getscheduler(thread) for thread in threads}
    if found == {os.SCHED_IDLE}:
        raise Idle
    if found == {os.SCHED_OTHER}:
        raise Ordinary
    raise AssertionError(found)


def halt() -> None:
    """Say who this is, and stand still."""
    fifo = Path(sys.argv[3]).open("w")  # noqa: SIM115 — it ends with the process
    _held_open.append(fifo)
    fifo.write(f"{os.getpid()}\n")
    fifo.flush()
    signal.pause()


def finding(how: str) -> Any:
    """What finds a renderer: the usual one, which does as it is told first."""
    usual = process.renderer  # type: ignore[attr-defined]  # what it calls, not what it offers

    def find(format: Any) -> Any:
        render = usual(format)

        def rendering(*arguments: Any, **named: Any) -> Any:
            match how:
                case "policy":
                    tell_policy()
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "abort":
                    os.abort()
                case "halt":
                    halt()
            return render(*arguments, **named)

        return rendering

    return find


if __name__ == "__main__":
    if sys.argv[2] == "early":
        raise ImportError("no module that renders: install it again")
    process.renderer = finding(sys.argv[2])  # type: ignore[attr-defined]
    {"new": process.main, "fork": fork_server.main}[sys.argv[1]]()
