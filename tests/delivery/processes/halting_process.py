"""A report process that stops in the middle: `python -m tests.delivery.processes.halting_process MOMENT [FIFO]`.

MOMENT: `never`; `rows`, when a part of the rows is written; `store`, when a part of the file is in the store. Then it writes
its pid into the FIFO, which stays open as long as it lives, and suspends itself until a signal. It keeps its ordinary
priority: at idle priority a test would wait as long as the machine is busy.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from delivery.reports import process, store
from delivery.reports.channel import ChannelMessage

PERCENT: Final = 40

_held_open: list[TextIO] = []


def halt() -> None:
    """Write the pid into the FIFO and suspend this process."""
    fifo = Path(sys.argv[2]).open("w")  # noqa: SIM115 — it ends with the process
    _held_open.append(fifo)
    fifo.write(f"{os.getpid()}\n")
    fifo.flush()
    # To this thread: of a signal to the process another thread may hear first, and this one would go on for a moment.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def halt_in_rows() -> None:
    """Send progress at each page, and halt at `PERCENT`."""
    send = process.send

    def send_and_halt(message: ChannelMessage) -> None:
        send(message)
        if message.percent is not None and message.percent >= PERCENT and not _held_open:
            halt()

    process.send = send_and_halt
    process.STEP = 0.0  # type: ignore[misc]


class HaltingFile:
    """A file that halts before its second piece."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pieces = 0

    def read(self, size: int) -> bytes:
        self._pieces += 1
        if self._pieces == 2:
            halt()
        return self._file.read(size)


def halt_in_store() -> None:
    """Halt when a part of the file is in the store."""
    put = store.Folder.put

    def put_and_halt(self: store.Folder, key: str, file: BinaryIO) -> store.Stored:
        return put(self, key, HaltingFile(file))  # type: ignore[arg-type]

    store.Folder.put = put_and_halt  # type: ignore[method-assign]


if __name__ == "__main__":
    process.lower_priority = lambda: None
    match sys.argv[1]:
        case "rows":
            halt_in_rows()
        case "store":
            halt_in_store()
    process.main()
