"""What a process that makes a report says to the one that started it, and how: lines of JSON on a file descriptor of their own.

Standard output and standard error are no part of it: a library may print, warn or crash there. What they say may hold a name,
so nobody passes it on. Log lines come by the channel as well, without the values in them, and are written by the parent.
"""

import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import msgspec
import structlog

from db.reports.jobs import Made
from delivery.reports.failures import Failure

LONGEST_VALUE: Final = 200
"""Characters of a text in a log line."""

DEEPEST: Final = 30
"""Frames of an exception, the last ones."""

_LEVELS: Final = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class Line:
    """A line for the log: words of our own code and places in code, never a value that a library put into its text."""

    level: str
    logger: str
    event: str
    about: Mapping[str, Any] = field(default_factory=dict)
    """Texts, figures and lists of texts; the log's own masking decides which of them it takes."""


@dataclass(frozen=True, slots=True)
class Word:
    """What the process says: one of these."""

    started: bool = False
    """It reads its order next: from here on, what it writes elsewhere may hold a name."""
    percent: int | None = None
    made: Made | None = None
    failure: Failure | None = None
    """What went wrong and where, without a word of what was in the report."""
    line: Line | None = None


class Channel:
    """The process's end. What is said on it by several threads does not mix."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def say(self, word: Word) -> None:
        """Write a word at once. Raises `BrokenPipeError` where nobody reads any more."""
        text = msgspec.json.encode(word) + b"\n"
        with self._lock:
            while text:
                text = text[os.write(self._descriptor, text) :]


def log_by(say: Callable[[Word], None]) -> None:
    """Have every log line, warning and lost exception of this process go by `say`, and nothing of them anywhere else."""

    def send(level: str, logger: str, event: str, about: Mapping[str, Any]) -> None:
        level = level if level in _LEVELS else "error"
        say(Word(line=Line(level, logger[:LONGEST_VALUE], event[:LONGEST_VALUE], about)))

    root = logging.getLogger()
    root.handlers[:] = [_Handler(send)]
    root.setLevel(logging.WARNING)
    logging.raiseExceptions = False
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level],
        logger_factory=lambda *names: _Own(str(names[0]) if names else "delivery", send),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )

    def warned(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any
    ) -> None:
        place = f"{Path(filename).name}:{lineno}"
        send(
            "warning",
            "py.warnings",
            "a library warned",
            {"error": category.__name__, "where": place},
        )

    def uncaught(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        send("error", "delivery", "the process that makes a report failed", told_of(error))

    def unraisable(lost: Any) -> None:
        send("error", "delivery", "an exception was lost", told_of(lost.exc_value))

    def of_thread(lost: Any) -> None:
        send("error", "delivery", "a thread failed", told_of(lost.exc_value))

    warnings.showwarning = warned  # type: ignore[assignment]
    sys.excepthook = uncaught
    sys.unraisablehook = unraisable
    threading.excepthook = of_thread


class _Handler(logging.Handler):
    """Takes the lines of libraries: where they were written, and what exception they carry. Their text may hold a name."""

    def __init__(self, send: Callable[[str, str, str, Mapping[str, Any]], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        place = f"{record.module}:{record.lineno} {record.funcName}"
        error = record.exc_info[1] if record.exc_info else None
        about: dict[str, Any] = {"where": place}
        if error is not None:
            told = told_of(error)
            about = {"error": told["error"], "where": [place, *told["where"]]}
        self._send(record.levelname.lower(), record.name, "a library wrote a line", about)


class _Own:
    """What structlog takes for a logger: our own lines, whose text is that of our code."""

    def __init__(self, name: str, send: Callable[[str, str, str, Mapping[str, Any]], None]) -> None:
        self._name = name
        self._send = send

    def msg(self, event: str = "", *, level: str = "info", **about: Any) -> None:
        """Send a line."""
        given = about.pop("exc_info", None)
        error = sys.exception() if given is True else given
        plain = {name: _plain(value) for name, value in about.items()}
        if isinstance(error, BaseException):
            plain |= told_of(error)
        self._send(level, self._name, event, plain)

    debug = info = warning = error = critical = exception = msg


def _plain(value: object) -> str | int | float | None:
    return value if isinstance(value, int | float | None) else str(value)[:LONGEST_VALUE]


def told_of(error: BaseException | None) -> dict[str, Any]:
    """The kind of an exception and the lines it came through, and not its message: that may hold a name."""
    if error is None:
        return {}
    return {"error": type(error).__name__, "where": where(error)}


def where(error: BaseException) -> list[str]:
    """The last lines that an exception came through, without folders."""
    frames = traceback.extract_tb(error.__traceback__)[-DEEPEST:]
    return [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames]
