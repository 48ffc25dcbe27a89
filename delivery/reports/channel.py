"""The channel from a report process to its parent: messages as lines of JSON on a separate file descriptor.

Standard output and standard error are not used: libraries may print there, with a name in the text, so that output is
dropped. Log lines go through the channel without their values, and the parent writes them.
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

from db.reports.jobs import MadeReport
from delivery.reports.failures import Failure

LONGEST_VALUE: Final = 200
"""Most characters of a text in a log line."""

DEEPEST: Final = 30
"""Most frames of an exception: the last ones."""

_LEVELS: Final = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line for the log: texts and locations of our own code, never a value from a library's text."""

    level: str
    logger: str
    event: str
    about: Mapping[str, Any] = field(default_factory=dict)
    """Texts, numbers and lists of texts; the parent's log decides which of them it accepts."""


@dataclass(frozen=True, slots=True)
class ChannelMessage:
    """A message of the process; one of its fields is set."""

    started: bool = False
    """The process reads its order next: from now on its other output may contain names."""
    percent: int | None = None
    made: MadeReport | None = None
    failure: Failure | None = None
    """The failure and its location, without any content of the report."""
    line: LogLine | None = None


class Channel:
    """The process's end of the channel. Messages of several threads do not mix."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, message: ChannelMessage) -> None:
        """Write a message at once. Raises `BrokenPipeError` if the parent is gone."""
        text = msgspec.json.encode(message) + b"\n"
        with self._lock:
            while text:
                text = text[os.write(self._descriptor, text) :]


def log_through(send_message: Callable[[ChannelMessage], None]) -> None:
    """Send every log line, warning and unhandled exception of this process through `send_message`, and nowhere else."""

    def send(level: str, logger: str, event: str, about: Mapping[str, Any]) -> None:
        level = level if level in _LEVELS else "error"
        line = LogLine(level, logger[:LONGEST_VALUE], event[:LONGEST_VALUE], about)
        send_message(ChannelMessage(line=line))

    root = logging.getLogger()
    root.handlers[:] = [_Handler(send)]
    root.setLevel(logging.WARNING)
    logging.raiseExceptions = False
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level],
        logger_factory=lambda *names: _ChannelLogger(str(names[0]) if names else "delivery", send),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )

    def on_warning(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any
    ) -> None:
        place = f"{Path(filename).name}:{lineno}"
        send(
            "warning",
            "py.warnings",
            "a library warned",
            {"error": category.__name__, "where": place},
        )

    def on_exception(
        kind: type[BaseException], error: BaseException, _: TracebackType | None
    ) -> None:
        send("error", "delivery", "the report process failed", described(error))

    def on_unraisable(args: Any) -> None:
        send("error", "delivery", "an exception could not be raised", described(args.exc_value))

    def on_thread_exception(args: Any) -> None:
        send(
            "error", "delivery", "a thread of the report process failed", described(args.exc_value)
        )

    warnings.showwarning = on_warning  # type: ignore[assignment]
    sys.excepthook = on_exception
    sys.unraisablehook = on_unraisable
    threading.excepthook = on_thread_exception


class _Handler(logging.Handler):
    """Sends the log lines of libraries: their location and their exception, without their text, which may hold a name."""

    def __init__(self, send: Callable[[str, str, str, Mapping[str, Any]], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        place = f"{record.module}:{record.lineno} {record.funcName}"
        error = record.exc_info[1] if record.exc_info else None
        about: dict[str, Any] = {"where": place}
        if error is not None:
            about = {"error": type(error).__name__, "where": [place, *where(error)]}
        self._send(record.levelname.lower(), record.name, "a library wrote a log line", about)


class _ChannelLogger:
    """The logger for structlog: sends the log lines of our own code, with their text."""

    def __init__(self, name: str, send: Callable[[str, str, str, Mapping[str, Any]], None]) -> None:
        self._name = name
        self._send = send

    def msg(self, event: str = "", *, level: str = "info", **about: Any) -> None:
        """Send a line."""
        exc_info = about.pop("exc_info", None)
        error = sys.exception() if exc_info is True else exc_info
        plain = {name: _plain(value) for name, value in about.items()}
        if isinstance(error, BaseException):
            plain |= described(error)
        self._send(level, self._name, event, plain)

    debug = info = warning = error = critical = exception = msg


def _plain(value: object) -> str | int | float | None:
    return value if isinstance(value, int | float | None) else str(value)[:LONGEST_VALUE]


def described(error: BaseException | None) -> dict[str, Any]:
    """Return an exception's class and its code locations, without its message, which may hold a name."""
    if error is None:
        return {}
    return {"error": type(error).__name__, "where": where(error)}


def where(error: BaseException) -> list[str]:
    """Return the last code locations of an exception's traceback, without folders."""
    frames = traceback.extract_tb(error.__traceback__)[-DEEPEST:]
    return [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames]
