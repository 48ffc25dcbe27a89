"""What the server writes about itself: lines of JSON, or for a person at a console, on standard error.

The log holds ids, figures and words of our own code; never a name, an address, a body, a token, SQL or a query string.
That is kept here whatever is passed: keys that are not in `KEYS` are dropped, library lines lose the values put into
them, exceptions their messages. Who looked at what is for the audit, not for the log.
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
"""Whose lines the level governs. Libraries speak from warnings on: below that some write SQL and its values."""

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
"""What a line may hold. Whoever adds a key sees to it that it never carries what a person typed or is called."""

_LONGEST: Final = 200
"""Characters of a value: longer ones are no ids."""

_PLAIN: Final = frozenset({str, int, float, type(None)})
"""The types of nearly all values: what is of one need not be asked whether it is of a kind of one."""

_DEEPEST: Final = 30
"""Frames of an exception, the last ones: what failed is there, and an endless recursion has thousands."""

_ADDRESS: Final = re.compile(r"[^\s@]+@[^\s@]+|\+\d[\d ().-]{5,}\d")
"""Mail addresses and phone numbers: some issuers use one as the id of a person."""


def configure(
    level: Literal["debug", "info", "warning", "error"],
    format: Literal["json", "console"],
    *,
    clock: Callable[[], datetime],
    stream: TextIO | None = None,
) -> None:
    """Send the lines of structlog and of every library through one pipe to `stream`, standard error if None.

    Takes the place of whatever was set up before; uvicorn must be started with `log_config=None`, and every process calls
    this for itself.
    """
    stream = stream or sys.stderr
    handler = _Pipe(stream, _shape(format, clock=clock, colors=stream.isatty()))
    handler.setFormatter(_formatter(format, clock=clock, colors=stream.isatty()))
    own = logging.getLevelNamesMapping()[level.upper()]
    others = max(own, logging.WARNING)
    # A library may set its own level, as SQLAlchemy's echo does: so the handler judges too.
    handler.addFilter(lambda record: record.levelno >= (own if _is_own(record.name) else others))
    # A line that cannot be written is lost: `logging` would print its exceptions, with what they say, in its place.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(others)
    for package in OWN_PACKAGES:
        logging.getLogger(package).setLevel(own)
    # Its lines have the whole path and the caller's address; `RequestLog` writes ours.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_ORIGIN,
            _whole,
        ],
        # Kept by the names of our modules, which are as many as there are.
        logger_factory=cache(lambda name: _Own(logging.getLogger(name), handler.write)),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class _Pipe(logging.StreamHandler[TextIO]):
    """Where all lines go: records of libraries by `emit`, and our own lines, which need no record, by `write`."""

    def __init__(self, stream: TextIO, shape: tuple[Processor, ...]) -> None:
        super().__init__(stream)
        self._shape = shape

    def write(self, line: Any) -> None:
        """Write a line; as `emit` does with a record, it loses what cannot be written."""
        try:
            for processor in self._shape:
                line = processor(None, "", line)
            self.acquire()
            try:
                self.stream.write(line + self.terminator)
                self.stream.flush()
            finally:
                self.release()
        except RecursionError:
            raise
        except Exception:  # there is nowhere to say so
            pass


class _Own:
    """What structlog takes for a logger: it hands each line to the pipe. Whether it is heard, `logging` knows.

    To make a record of each, to look for who made it, and to have it handed on takes longer than to write it.
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

# ASCII only: a lone surrogate or a line end from elsewhere can neither break a line nor forge one.
_JSON: Final = json.JSONEncoder(ensure_ascii=True)


def _whole(_logger: object, _method: str, line: EventDict) -> Any:
    """The line as the one argument of whatever writes it."""
    return (line,), {}


def _shape(
    format: Literal["json", "console"], *, clock: Callable[[], datetime], colors: bool
) -> tuple[Processor, ...]:
    """What makes text of a line, whosever it is."""

    def stamp(_logger: object, _method: str, line: EventDict) -> EventDict:
        # After what is from elsewhere was cleaned: it looks like a telephone number, and is none.
        line["at"] = clock().isoformat(timespec="milliseconds")
        return line

    console = structlog.dev.ConsoleRenderer(colors=colors, timestamp_key="at", sort_keys=False)
    rendered = (_as_json,) if format == "json" else (_as_paragraph, console)
    return (_without_messages, _only_known, stamp, *rendered)


def _formatter(
    format: Literal["json", "console"], *, clock: Callable[[], datetime], colors: bool
) -> ProcessorFormatter:
    """What makes text of records."""
    return ProcessorFormatter(
        foreign_pre_chain=[*_ORIGIN, _without_values],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            *_shape(format, clock=clock, colors=colors),
        ],
    )


def _is_own(logger: str) -> bool:
    return logger.partition(".")[0] in OWN_PACKAGES


def _without_values(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Keep of a library's line the words of its code and the place where it was written."""
    record: logging.LogRecord = line["_record"]
    text = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    # Further lines hold what was at hand, as asyncio's do; the first one says what happened.
    line["event"] = text.partition("\n")[0]
    line["where"] = f"{record.module}:{record.lineno} {record.funcName}"
    return line


def _without_messages(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Turn an exception into its type and its frames; a driver's message quotes the row that it refused."""
    given = line.pop("exc_info", None)
    line.pop("stack_info", None)
    error = sys.exception() if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        line["error"] = _kind(error)
        line["stack"] = [text for cause in _lineage(error) for text in _frames(cause)]
    return line


def _lineage(error: BaseException) -> Iterator[BaseException]:
    """The exception, what it was raised from, and so on; of a group the first one."""
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
    """The type, then each frame as module, line and function, the innermost last."""
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
    """Drop what is not in `KEYS`, or is neither text nor figure; `dropped` names it, so that it can be mended."""
    known: dict[str, Any] = {}
    dropped: list[str] = []
    for key, value in line.items():
        if key in KEYS and (type(value) in _PLAIN or _is_plain(value)):
            known[key] = _cleaned(value)
        else:
            dropped.append(key)
    if dropped:
        known["dropped"] = sorted(dropped)
    return known


def _as_json(_logger: object, _method: str, line: EventDict) -> str:
    return _JSON.encode(line)


def _as_paragraph(_logger: object, _method: str, line: EventDict) -> EventDict:
    """The frames of an exception as a console's line has them: one below the other."""
    if "stack" in line:
        line["stack"] = "\n".join(line["stack"])
    return line


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(part, str) for part in value)
    return value is None or isinstance(value, str | int | float)


def _cleaned(value: Any) -> Any:
    """The value without addresses, and no longer than an id is."""
    if isinstance(value, str):
        text = str(value)[:_LONGEST]
        return _ADDRESS.sub("[address]", text) if "@" in text or "+" in text else text
    return [_cleaned(part) for part in value] if isinstance(value, list) else value
