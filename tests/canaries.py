"""Fails a test that leaks private data: a pytest plugin that checks every log line and every error of the suite.

The test data are the canaries: the names, addresses, phones and bodies of `tests.log` and similar modules. The plugin looks
for them in each log line as our formatter writes it, whatever logging a test has set up. It also checks each GraphQL error
and HTTP error response, and looks for SQL and paths of this machine. An error may repeat only the client's own input.
"""

import json
import logging
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, wraps
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import structlog

ROOT: Final = Path(__file__).parents[1]

KINDS: Final[Mapping[str, re.Pattern[str]]] = {
    "a name": re.compile(r"Heather|Calvin|Vanessa|Vincenzo|Zephyrine|Nguy[eễ]n|\bZo[eë]\b|Łukasz"),
    "an address": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.\w{2,}|hparent"),
    "a phone number": re.compile(r"\+\d{8,15}\b|612\D{0,3}555\D?\d{4}"),
    "a body": re.compile(r"sent to the office|due to weather|Bullying|Body of|Reason of"),
    "SQL": re.compile(
        r"\b(?:SELECT\b.+?\bFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b", re.DOTALL
    ),
    "a path": re.compile(
        "|".join(map(re.escape, {str(ROOT), sys.prefix, sys.base_prefix, tempfile.gettempdir()}))
    ),
}
"""The patterns that no log line or error may contain. The names are those of families in the test data, not of senders."""

OWN: Final = ("server", "schema", "resolvers", "delivery", "renderers", "db", "domain")


class Leak(NamedTuple):
    """A leak: its kind, where it was written, the whole text, and the lines of our code that led to it."""

    kind: str
    way: str
    text: str
    place: str

    def __str__(self) -> str:
        return f"{self.kind} in {self.way}: {self.text[:500]}\n    from {self.place}"


_leaks: list[Leak] = []


@contextmanager
def watched() -> Iterator[list[Leak]]:
    """Return the leaks inside the block without failing the test, for tests that leak on purpose."""
    global _leaks
    before, _leaks = _leaks, []
    try:
        yield _leaks
    finally:
        _leaks = before


def look(text: str, way: str, *, typed: str = "") -> None:
    """Record the leaks in `text`, except those that the input `typed` also contains."""
    for kind, pattern in KINDS.items():
        for match in pattern.finditer(text):
            if match[0] not in typed:
                _leaks.append(Leak(kind, way, text, _place()))
                break


def _place() -> str:
    """Return the innermost lines of our own code, the innermost first."""
    frames = [
        f"{Path(frame.filename).relative_to(ROOT)}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_stack()
        if Path(frame.filename).is_relative_to(ROOT)
        and Path(frame.filename) != Path(__file__)
        and ".venv" not in frame.filename
    ]
    return " < ".join(frames[-4:][::-1]) or "outside of our code"


# Log lines and errors


@cache
def _formatter() -> logging.Formatter:
    """Return our own formatter, so that the keys that it drops are not leaks."""
    from server.process.log_output import _formatter as formatter

    return formatter("json", clock=lambda: datetime(2020, 1, 31, tzinfo=UTC), colors=False)


def _watch_structlog() -> None:
    process = structlog.BoundLoggerBase._process_event

    def watching(
        self: structlog.BoundLoggerBase, method: str, event: str | None, event_kw: dict[str, Any]
    ) -> Any:
        line = {**structlog.contextvars.get_contextvars(), **self._context, **event_kw}
        line |= {"event": event, "level": method}
        look(_written(line, method), "a log line")
        return process(self, method, event, event_kw)

    structlog.BoundLoggerBase._process_event = watching  # type: ignore[assignment, method-assign]


def _written(line: dict[str, Any], method: str) -> str:
    from server.http.request_log import add_request

    record = logging.LogRecord(
        "sentlog", logging.INFO, "", 0, add_request(None, method, line), (), None
    )
    record._logger, record._name = None, method  # as structlog marks its own
    return _formatter().format(record)


def _watch_logging() -> None:
    handle = logging.Logger.handle

    @wraps(handle)
    def watching(self: logging.Logger, record: logging.LogRecord) -> None:
        # Our lines come from structlog; of libraries only warnings and above are written.
        if not hasattr(record, "_logger") and record.levelno >= logging.WARNING:
            look(_formatter().format(record), "a library's log line")
        handle(self, record)

    logging.Logger.handle = watching  # type: ignore[method-assign]


def _watch_graphql(contract: Any) -> None:
    process = contract.process_errors

    @wraps(process)
    def watching(self: Any, errors: list[Any], execution_context: Any = None) -> None:
        process(self, errors, execution_context)
        typed = f"{getattr(execution_context, 'query', '')} {getattr(execution_context, 'variables', '')}"
        for error in errors:
            look(_json(error.formatted), "an error of an operation", typed=typed)

    contract.process_errors = watching


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _watch_http(request_log: Any) -> None:
    call = request_log.__call__

    @wraps(call)
    async def watching(self: Any, scope: Any, receive: Any, send: Any) -> None:
        typed = [str(scope.get("path", "")), repr(scope.get("query_string", b""))]
        status = 0

        async def receive_and_keep() -> Any:
            message = await receive()
            typed.append(_text(message))
            return message

        async def send_and_look(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            if message["type"] == "websocket.close" or (
                message["type"].endswith("response.body") and status >= 400
            ):
                look(_text(message), "an answer that refuses", typed="".join(typed))
            await send(message)

        await call(self, scope, receive_and_keep, send_and_look)

    request_log.__call__ = watching


def _text(message: Mapping[str, Any]) -> str:
    """Return the text of an ASGI message; a compressed body decodes to garbage."""
    body = message.get("body") or message.get("bytes") or b""
    return body.decode("utf-8", "replace") + str(message.get("text") or message.get("reason") or "")


_LATER: Final[Mapping[str, tuple[str, Callable[[Any], None]]]] = {
    "schema.contract": ("Contract", _watch_graphql),
    "server.http.request_log": ("RequestLog", _watch_http),
}
_watching: Final[set[str]] = set()


def _watch_imported() -> None:
    """Watch those of our modules that a test has imported since the last call."""
    for module, (name, watch) in _LATER.items():
        if module in sys.modules and module not in _watching:
            _watching.add(module)
            watch(getattr(sys.modules[module], name))


# The hooks


def pytest_configure(config: pytest.Config) -> None:
    _watch_structlog()
    _watch_logging()


def _check() -> Iterator[None]:
    """Fail the phase of a test that leaked something; a leak of a thread counts for the test that runs at the time."""
    _watch_imported()
    yield
    leaks = list(dict.fromkeys(_leaks))
    _leaks.clear()
    if leaks:
        pytest.fail("\n".join(f"LEAK: {leak}" for leak in leaks), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    return (yield from _check())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    return (yield from _check())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    for _, name, written in item._report_sections:
        if name == "stderr":  # written by processes that the test started
            look(written, "what a process wrote")
    return (yield from _check())
