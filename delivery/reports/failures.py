"""Failures of reports: their kinds, the message of each for the viewer, and how an exception is classified.

The viewer's message has no paths or codes. The log has the store or folder, the errno, and the class of the exception.
"""

import errno
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from db.connect.unavailable import AWAY
from delivery.reports.store import StoreError, StoreProblem

_ADMINISTRATOR: Final = "If that fails too, give the report's id to your administrator."


class FailureKind(StrEnum):
    """Why a report could not be made."""

    STORE_FULL = "STORE_FULL"
    STORE_NOT_WRITABLE = "STORE_NOT_WRITABLE"
    STORE_REFUSED = "STORE_REFUSED"
    STORE_UNREACHABLE = "STORE_UNREACHABLE"
    STORE_FAILED = "STORE_FAILED"
    TEMPORARY_FULL = "TEMPORARY_FULL"
    TEMPORARY_NOT_WRITABLE = "TEMPORARY_NOT_WRITABLE"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    KILLED = "KILLED"
    CRASHED = "CRASHED"
    TIMED_OUT = "TIMED_OUT"
    NOT_STARTED = "NOT_STARTED"
    DATABASE_AWAY = "DATABASE_AWAY"
    PURGED = "PURGED"
    PERSON_PURGED = "PERSON_PURGED"
    RENDERING = "RENDERING"
    WORKER_STOPPED = "WORKER_STOPPED"


_WORDS: Final = {
    FailureKind.STORE_FULL: "The disk on which reports are kept is full. Tell your administrator.",
    FailureKind.STORE_NOT_WRITABLE: "The server may not write to the folder in which reports are kept. Tell your administrator.",
    FailureKind.STORE_REFUSED: "The bucket in which reports are kept refused the file. Tell your administrator.",
    FailureKind.STORE_UNREACHABLE: "The bucket in which reports are kept could not be reached. "
    f"Ask for the report again later. {_ADMINISTRATOR}",
    FailureKind.STORE_FAILED: f"The file could not be stored. Ask for the report again. {_ADMINISTRATOR}",
    FailureKind.TEMPORARY_FULL: "The server's disk for temporary files is full. Tell your administrator.",
    FailureKind.TEMPORARY_NOT_WRITABLE: "The server may not write temporary files. Tell your administrator.",
    FailureKind.OUT_OF_MEMORY: "The server ran out of memory while it made the report. "
    f"Ask for it again later, or as CSV, which needs the least. {_ADMINISTRATOR}",
    FailureKind.KILLED: "The process that made the report was killed, most often because the server ran out of memory. "
    f"Ask for it again later, or as CSV, which needs the least. {_ADMINISTRATOR}",
    FailureKind.CRASHED: f"The process that made the report crashed. Ask for the report again. {_ADMINISTRATOR}",
    FailureKind.TIMED_OUT: "The report took too long. Ask for it again when the server is less busy, or for a shorter one: "
    "fewer devices, or the summary.",
    FailureKind.NOT_STARTED: "The server could not start the process that makes reports. "
    f"Ask for the report again later. {_ADMINISTRATOR}",
    FailureKind.DATABASE_AWAY: f"The database did not answer. Ask for the report again later. {_ADMINISTRATOR}",
    FailureKind.PURGED: "The recipients of this message were removed before the report was made, since the time for which "
    "they are kept is over. Its figures are still there: ask for a SUMMARY report.",
    FailureKind.PERSON_PURGED: "All recipients that it would show were removed before the report was made, since the time for which "
    "they are kept is over. A report on later messages is possible.",
    FailureKind.RENDERING: f"An error occurred while the file was written. Ask for the report again, or in another format. {_ADMINISTRATOR}",
    FailureKind.WORKER_STOPPED: "Each server that began to make the report stopped before it was ready. "
    f"Ask for it again. {_ADMINISTRATOR}",
}

FOR_GOOD: Final = frozenset({FailureKind.PURGED, FailureKind.PERSON_PURGED})
"""Failures that a retry cannot fix."""

_OF_STORE: Final = {
    StoreProblem.FULL: FailureKind.STORE_FULL,
    StoreProblem.NOT_WRITABLE: FailureKind.STORE_NOT_WRITABLE,
    StoreProblem.REFUSED: FailureKind.STORE_REFUSED,
    StoreProblem.UNREACHABLE: FailureKind.STORE_UNREACHABLE,
    StoreProblem.OTHER: FailureKind.STORE_FAILED,
}

OF_STORE: Final = frozenset(_OF_STORE.values())
"""Failures with which the log names the store."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_WRITABLE: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class Purged(Exception):
    """The recipients of the report's message were purged."""


class PersonPurged(Exception):
    """No message to the person of the report is left."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a report could not be made, without any content of the report."""

    kind: FailureKind
    error: str
    """The class of the exception, or the exit status of the process: for the log."""
    where: tuple[str, ...] = ()
    """Code locations of the exception, the innermost last: `store.py:88 in put`."""
    errno: int | None = None
    folder: str | None = None
    """The folder for temporary files, if it is the cause."""

    @property
    def message(self) -> str:
        """The message for the viewer."""
        return viewer_message(self.kind)


def viewer_message(kind: FailureKind) -> str:
    """Return the viewer's message for a failure of this kind: what happened, and what to do."""
    return f"The report could not be made. {_WORDS[kind]}"


def failure_of(error: BaseException, *, where: tuple[str, ...] = ()) -> Failure:
    """Return the failure for an exception that a report raised.

    An `OSError` that is not the store's comes from the temporary file, which is written first.
    """
    number = getattr(error, "errno", None)
    name, folder = type(error).__name__, None
    if isinstance(error, StoreError):
        kind, name = _OF_STORE[error.problem], error.cause
    elif isinstance(error, Purged):
        kind = FailureKind.PURGED
    elif isinstance(error, PersonPurged):
        kind = FailureKind.PERSON_PURGED
    elif isinstance(error, MemoryError):
        kind = FailureKind.OUT_OF_MEMORY
    elif isinstance(error, AWAY):
        kind = FailureKind.DATABASE_AWAY
    elif isinstance(error, OSError) and number in _FULL:
        kind, folder = FailureKind.TEMPORARY_FULL, _temporary_folder()
    elif isinstance(error, OSError) and number in _NOT_WRITABLE:
        kind, folder = FailureKind.TEMPORARY_NOT_WRITABLE, _temporary_folder()
    else:
        kind = FailureKind.RENDERING
    return Failure(kind, name, where, number if isinstance(number, int) else None, folder)


def _temporary_folder() -> str | None:
    try:
        return tempfile.gettempdir()
    except OSError:  # none of the usual folders is writable
        return None
