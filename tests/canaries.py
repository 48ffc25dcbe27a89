"""Fails the test that lets out what nobody may read: a pytest plugin over every log line and every error of the suite.

The data of the tests are the canaries: the names, addresses, phones and bodies that `tests.log` and its neighbours plant. They
are looked for in each line as our pipe writes it, whatever a test has set up for its logs, and in each error that GraphQL or
HTTP answers; so are SQL and paths of this machine. What somebody typed may stand in the error that answers it, and nowhere
else.
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
"""What may be in no line and in no error. The names are those of the families in the tests' data; senders are staff."""

OWN: Final = ("server", "schema", "resolvers", "delivery", "renderers", "db", "domain")


class Leak(NamedTuple):
    """Something that was let out: what, through what, the whole text, and the lines of our code that led to it."""

    kind: str
    way: str
    text: str
    place: str

    def __str__(self) -> str:
        return f"{self.kind} in {self.way}: {self.text[:500]}\n    from {self.place}"


_leaks: list[Leak] = []


@contextmanager
def watched() -> Iterator[list[Leak]]:
    """What is let out inside the block, which is no fault of the test's: for tests that let something out on purpose."""
    global _leaks
    before, _leaks = _leaks, []
    try:
        yield _leaks
    finally:
        _leaks = before


def look(text: str, way: str, *, typed: str = "") -> None:
    """Note what leaks in `text`, unless it stands in what was `typed` too."""
    for kind, pattern in KINDS.items():
        for found in pattern.finditer(text):
            if found[0] not in typed:
                _leaks.append(Leak(kind, way, text, _place()))
                break


def _place() -> str:
    """The last lines of our own code, the innermost last."""
    frames = [
        f"{Path(frame.filename).relative_to(ROOT)}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_stack()
        if Path(frame.filename).is_relative_to(ROOT)
        and Path(frame.filename) != Path(__file__)
        and ".venv" not in frame.filename
    ]
    return " < ".join(frames[-4:][::-1]) or "outside of our code"


# The ways out


@cache
def _formatter() -> logging.Formatter:
    """What writes a line: our own pipe, so that what it drops is no leak."""
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
        # Ours come by structlog; libraries are heard from warnings on.
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
            look(_spelled(error.formatted), "an error of an operation", typed=typed)

    contract.process_errors = watching


def _spelled(answer: object) -> str:
    return json.dumps(answer, ensure_ascii=False, default=str)


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
    """What a message of ASGI says; a body that is compressed says nothing."""
    said = message.get("body") or message.get("bytes") or b""
    return said.decode("utf-8", "replace") + str(message.get("text") or message.get("reason") or "")


_LATER: Final[Mapping[str, tuple[str, Callable[[Any], None]]]] = {
    "schema.contract": ("Contract", _watch_graphql),
    "server.http.request_log": ("RequestLog", _watch_http),
}
_watching: Final[set[str]] = set()


def _watch_what_is_imported() -> None:
    """Our own modules are imported by those tests that need them, and watched from then on."""
    for module, (name, watch) in _LATER.items():
        if module in sys.modules and module not in _watching:
            _watching.add(module)
            watch(getattr(sys.modules[module], name))


# The hooks


def pytest_configure(config: pytest.Config) -> None:
    _watch_structlog()
    _watch_logging()


def _judged() -> Iterator[None]:
    """Fail what has just run if it let something out; what comes from a thread counts to the test that runs then."""
    _watch_what_is_imported()
    yield
    found = list(dict.fromkeys(_leaks))
    _leaks.clear()
    if found:
        pytest.fail("\n".join(f"LEAK: {leak}" for leak in found), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    return (yield from _judged())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    return (yield from _judged())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    for _, name, written in item._report_sections:
        if (
            name == "stderr"
        ):  # where processes that the test started wrote to, if they were not heard otherwise
            look(written, "what a process wrote")
    return (yield from _judged())
