"""A report process with a fault: `python -m tests.delivery.processes.odd_process START HOW [FIFO] FD`.

START is `new`, or `fork` for a fork server whose processes have the fault. HOW is one of:

- `nothing`
- `policy`: it fails with `Idle` or `Ordinary`, the scheduling class of all its threads.
- `kill`: it kills itself.
- `abort`
- `halt`: it writes its pid into the FIFO and suspends itself.
- `early`: it cannot start.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any, TextIO

from delivery.reports import fork_server, process

_held_open: list[TextIO] = []


class Idle(Exception):
    """Every thread has the idle scheduling class."""


class Ordinary(Exception):
    """Every thread has the ordinary scheduling class."""


def raise_policy() -> None:
    """Raise the scheduling class of this process's threads, which include the one that reads the database."""
    threads = [int(name) for name in os.listdir("/proc/self/task")]
    assert len(threads) > 1
    policies = {os.sched_getscheduler(thread) for thread in threads}
    if policies == {os.SCHED_IDLE}:
        raise Idle
    if policies == {os.SCHED_OTHER}:
        raise Ordinary
    raise AssertionError(policies)


def halt() -> None:
    """Write the pid into the FIFO and suspend this process."""
    fifo = Path(sys.argv[3]).open("w")  # noqa: SIM115 — it ends with the process
    _held_open.append(fifo)
    fifo.write(f"{os.getpid()}\n")
    fifo.flush()
    signal.pause()


def finding(how: str) -> Any:
    """Return a replacement for `process.renderer`, whose renderers have the fault first."""
    usual = process.renderer  # type: ignore[attr-defined]  # imported there, not exported

    def find(format: Any) -> Any:
        render = usual(format)

        def rendering(*arguments: Any, **named: Any) -> Any:
            match how:
                case "policy":
                    raise_policy()
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
