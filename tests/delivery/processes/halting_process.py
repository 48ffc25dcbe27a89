"""The process that makes a report, held in the middle: `python -m tests.delivery.processes.halting_process MOMENT [FIFO]`.

`never`: it goes on to its end. `rows`: a part of the rows is written. `store`: a part of the file is in the store. There it writes its number into the FIFO,
which stays open as long as it lives, and stands still until it is killed or told to go on. It does not make way for others, or
a test would wait for it as long as other tests keep the machine busy.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from delivery.reports import process, store
from delivery.reports.channel import Word

PERCENT: Final = 40

_held_open: list[TextIO] = []


def halt() -> None:
    """Say who this is, and stand still."""
    fifo = Path(sys.argv[2]).open("w")  # noqa: SIM115 — it ends with the process
    _held_open.append(fifo)
    fifo.write(f"{os.getpid()}\n")
    fifo.flush()
    # To this thread: of a signal to the process another thread may hear first, and this one would go on for a moment.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def halt_in_rows() -> None:
    """Say at each page how far it is, and stand still after some."""
    say = process.say

    def saying(word: Word) -> None:
        say(word)
        if word.percent is not None and word.percent >= PERCENT and not _held_open:
            halt()

    process.say = saying
    process.STEP = 0.0  # type: ignore[misc]


class Torn:
    """A file that stands still before its second piece."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pieces = 0

    def read(self, size: int) -> bytes:
        self._pieces += 1
        if self._pieces == 2:
            halt()
        return self._file.read(size)


def halt_in_store() -> None:
    """Stand still when a part of the file is in the store."""
    put = store.Folder.put

    def putting(self: store.Folder, key: str, file: BinaryIO) -> store.Stored:
        return put(self, key, Torn(file))  # type: ignore[arg-type]

    store.Folder.put = putting  # type: ignore[method-assign]


if __name__ == "__main__":
    process.make_way = lambda: None
    match sys.argv[1]:
        case "rows":
            halt_in_rows()
        case "store":
            halt_in_store()
    process.main()
