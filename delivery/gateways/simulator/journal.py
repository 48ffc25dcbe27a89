"""The journal of the simulated provider: all hand-overs in order, kept when the process that handed over dies.

It is a file of JSON lines, to which several processes may append at once, or it is in memory. It is the provider's view; our
view of a delivery is in the database.
"""

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from domain.status import DeliveryMode


class JournalEntry(msgspec.Struct, frozen=True):
    """One hand-over that arrived."""

    at: datetime
    key: str
    mode: DeliveryMode
    address: str


class Journal:
    """The entries so far, of all processes that share the file."""

    def __init__(self, file: Path | None = None) -> None:
        self._entries: list[JournalEntry] = []
        self._numbers: dict[str, list[int]] = {}
        self._unread = b""
        self._position = 0
        # O_APPEND makes a write atomic: two processes never overwrite each other.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        self._file = None if file is None else os.open(file, flags, 0o600)

    def append(self, entries: Sequence[JournalEntry]) -> None:
        """Add entries; they are kept once the call returns, even if this process is killed."""
        if self._file is None:
            self._remember(entries)
        elif entries:
            lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
            written = os.write(self._file, lines)
            if written != len(lines):
                raise OSError(
                    f"the journal took {written} of {len(lines)} bytes: is the disk full?"
                )

    def entries(self) -> Sequence[JournalEntry]:
        """Return all entries, oldest first, also those of other processes. Later calls extend the same list."""
        self._catch_up()
        return self._entries

    def of(self, key: str) -> list[JournalEntry]:
        """Return the entries of one delivery: a second one means that it was handed over twice."""
        self._catch_up()
        return [self._entries[number] for number in self._numbers.get(key, ())]

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _catch_up(self) -> None:
        while self._file is not None and (piece := os.pread(self._file, 1 << 20, self._position)):
            self._position += len(piece)
            # The last piece may be an incomplete line.
            *lines, self._unread = (self._unread + piece).split(b"\n")
            self._remember(msgspec.json.decode(line, type=JournalEntry) for line in lines)

    def _remember(self, entries: Iterable[JournalEntry]) -> None:
        for entry in entries:
            self._numbers.setdefault(entry.key, []).append(len(self._entries))
            self._entries.append(entry)
