"""Configures logging: lines of JSON, or of text for a console, on standard error.

The log holds ids, figures and words of our own code; never a name, an address, a body, a token, SQL or a query string.
The processors here enforce that: they drop keys that are not in `KEYS`, values in lines of libraries, and exception messages.
The audit, not the log, records who looked at what.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from types import TracebackType
from typing import Any, Final, Literal, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from server.http.request_log import add_request

OWN_PACKAGES: Final = ("server", "schema", "resolvers", "delivery", "renderers", "db", "domain")
"""Packages that log at the configured level. Libraries log from warning on: below that some log SQL with its values."""

KEYS: Final = frozenset(
    {
        *("event", "level", "logger", "at", "request_id", "error_id", "error", "stack", "where"),
        *("method", "route", "status", "ms", "viewer", "operation", "code", "reason", "cause"),
        *("message_id", "delivery_id", "report_id", "job_id", "chunk", "attempt"),
        *("district", "school", "mode", "gateway", "format", "engine", "revision", "version"),
        *("count", "lines", "messages", "recipients", "deliveries", "refused", "bytes", "seconds"),
        *("rows", "open", "unsure", "not_accepted", "held", "warnings"),
        *("host", "port", "pid", "workers", "folder", "store", "errno", "retry_in_s"),
        "right",  # an identifier, never a name with spaces: see `server.auth.rights`
    }
)
"""The keys of a log line. A key added here must never carry a text that a person typed, or a name."""

_LONGEST: Final = 200
"""Maximum characters of a value: ids are shorter."""

_PLAIN: Final = frozenset({str, int, float, type(None)})
"""The types of nearly all values, checked first because that is fast."""

_DEEPEST: Final = 30
"""Maximum frames of an exception, the innermost ones: an endless recursion has thousands."""

_ADDRESS: Final = re.compile(r"[^\s@]+@[^\s@]+|\+\d[\d ().-]{5,}\d")
"""Email addresses and phone numbers: some issuers use one as the id of a person."""


def configure(
    level: Literal["debug", "info", "warning", "error"],
    format: Literal["json", "console"],
    *,
    clock: Callable[[], datetime],
    stream: TextIO | None = None,
) -> None:
    """Send the lines of structlog and of every library to `stream`; to standard error if None.

    Replaces an earlier configuration. Start uvicorn with `log_config=None`. Every process calls this for itself.
    """
    stream = stream or sys.stderr
    handler = _LogHandler(stream, _processors(format, clock=clock, colors=stream.isatty()))
    handler.setFormatter(_formatter(format, clock=clock, colors=stream.isatty()))
    own = logging.getLevelNamesMapping()[level.upper()]
    others = max(own, logging.WARNING)
    # The handler filters, too: a library may set its own level, as SQLAlchemy's echo does.
    handler.addFilter(lambda record: record.levelno >= (own if _is_own(record.name) else others))
    # A line that cannot be written is dropped: `logging` would print the exception with its message instead.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(others)
    for package in OWN_PACKAGES:
        logging.getLogger(package).setLevel(own)
    # uvicorn's access lines hold the whole path and the client's address; `RequestLog` writes ours instead.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_ORIGIN,
            _as_argument,
        ],
        # Cached by the name of our modules, so its size is bounded.
        logger_factory=cache(lambda name: _Logger(logging.getLogger(name), handler.write)),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class _LogHandler(logging.StreamHandler[TextIO]):
    """The handler of all lines: `emit` takes records of libraries, `write` takes our own lines, which need no record."""

    def __init__(self, stream: TextIO, processors: tuple[Processor, ...]) -> None:
        super().__init__(stream)
        self._processors = processors

    def write(self, line: Any) -> None:
        """Write a line. A line that cannot be written is dropped, as `emit` does with a record."""
        try:
            for processor in self._processors:
                line = processor(None, "", line)
            self.acquire()
            try:
                self.stream.write(line + self.terminator)
                self.stream.flush()
            finally:
                self.release()
        except RecursionError:
            raise
        except Exception:  # the log is the only place to report it
            pass


class _Logger:
    """A logger for structlog that passes each line to the handler; the level comes from `logging`.

    Without this, `logging` would make a record, find the caller and propagate it, which takes longer than writing the line.
    """

    def __init__(self, judge: logging.Logger, write: Callable[[EventDict], None]) -> None:
        self.name = judge.name
        self.getEffectiveLevel = judge.getEffectiveLevel
        self._judge = judge
        self.debug = self.info = self.warning = self.error = write
        self.critical = self.exception = write

    @property
    def disabled(self) -> bool:
        return self._judge.disabled


_ORIGIN: Final[tuple[Processor, ...]] = (
    add_request,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
)

# ASCII only: a lone surrogate or a line end in a value can neither break a line nor forge one.
_JSON: Final = json.JSONEncoder(ensure_ascii=True)


def _as_argument(_logger: object, _method: str, line: EventDict) -> Any:
    """The line as the one argument of the logger."""
    return (line,), {}


def _processors(
    format: Literal["json", "console"], *, clock: Callable[[], datetime], colors: bool
) -> tuple[Processor, ...]:
    """The processors that turn any line into text."""

    def stamp(_logger: object, _method: str, line: EventDict) -> EventDict:
        # After `_only_known`, whose filter would take the timestamp for a phone number.
        line["at"] = clock().isoformat(timespec="milliseconds")
        return line

    console = structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="at", sort_keys=False)
    rendered = (_as_json,) if format == "json" else (_as_paragraph, console)
    return (_without_messages, _only_known, stamp, *rendered)


def _formatter(
    format: Literal["json", "console"], *, clock: Callable[[], datetime], colors: bool
) -> ProcessorFormatter:
    """The formatter of library records."""
    return ProcessorFormatter(
        foreign_pre_chain=[*_ORIGIN, _without_values],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            *_processors(format, clock=clock, colors=colors),
        ],
    )


def _is_own(logger: str) -> bool:
    return logger.partition(".")[0] in OWN_PACKAGES


def _without_values(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Keep of a library's line the message template and the place in the code."""
    record: logging.LogRecord = line["_record"]
    text = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    # Further lines hold values, as asyncio's do; the first one says what happened.
    line["event"] = text.partition("\n")[0]
    line["where"] = f"{record.module}:{record.lineno} {record.funcName}"
    return line


def _without_messages(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Replace an exception by its type and its frames: a driver's message quotes the row that it refused."""
    exc_info = line.pop("exc_info", None)
    line.pop("stack_info", None)
    error = (
        sys.exception()
        if exc_info is True
        else exc_info[1]
        if isinstance(exc_info, tuple)
        else exc_info
    )
    if isinstance(error, BaseException):
        line["error"] = _kind(error)
        line["stack"] = [text for cause in _lineage(error) for text in _frames(cause)]
    return line


def _lineage(error: BaseException) -> Iterator[BaseException]:
    """The exception, its cause, and so on; of a group the first exception."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        elif cause.__cause__ is not None or cause.__suppress_context__:
            cause = cause.__cause__
        else:
            cause = cause.__context__


def _frames(error: BaseException) -> list[str]:
    """The type, then each frame as module, line and function; the innermost last."""
    frames: list[str] = []
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        module = frame.f_globals.get("__name__", "?")
        frames.append(f"{module}:{traceback.tb_lineno} {frame.f_code.co_qualname}")
        traceback = traceback.tb_next
    return [_kind(error), *frames[-_DEEPEST:]]


def _kind(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")


def _only_known(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Drop keys that are not in `KEYS`, and values that are neither text nor number; `dropped` lists their keys."""
    kept: dict[str, Any] = {}
    dropped: list[str] = []
    for key, value in line.items():
        if key in KEYS and (type(value) in _PLAIN or _is_plain(value)):
            kept[key] = _clean(value)
        else:
            dropped.append(key)
    if dropped:
        kept["dropped"] = sorted(dropped)
    return kept


def _as_json(_logger: object, _method: str, line: EventDict) -> str:
    return _JSON.encode(line)


def _as_paragraph(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Format the frames of an exception for a console: one below the other."""
    if "stack" in line:
        line["stack"] = "\n".join(line["stack"])
    return line


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(part, str) for part in value)
    return value is None or isinstance(value, str | int | float)


def _clean(value: Any) -> Any:
    """The value with addresses masked, cut to the length of an id."""
    if isinstance(value, str):
        text = str(value)[:_LONGEST]
        return _ADDRESS.sub("[address]", text) if "@" in text or "+" in text else text
    return [_clean(part) for part in value] if isinstance(value, list) else value
