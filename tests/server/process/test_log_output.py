"""The log: one output for all lines, and no name, address or message text in it."""

import ast
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import structlog

from server.process.log_output import KEYS, OWN_PACKAGES, configure
from tests.server.auth.signing import Clock
from tests.server.log_lines import Log, captured_log, logger

AT = "2020-01-31T17:00:00.000+00:00"


@pytest.fixture
def log() -> Iterator[Log]:
    """The captured log of the server."""
    with captured_log() as log:
        yield log


def test_a_line_is_json_with_its_origin_and_time(log: Log) -> None:
    logger().info("chunk sent", message_id="M-1", chunk=3, seconds=0.5, gateway=None)
    assert log.lines() == [
        {
            "message_id": "M-1",
            "chunk": 3,
            "seconds": 0.5,
            "gateway": None,
            "event": "chunk sent",
            "logger": "delivery.dispatcher",
            "level": "info",
            "at": AT,
        }
    ]


def test_what_is_bound_to_the_context_is_in_the_line(log: Log) -> None:
    with structlog.contextvars.bound_contextvars(job_id=7, person="Parent, Heather"):
        logger().warning("stalled")
    (line,) = log.lines()
    assert line["job_id"] == 7
    assert line["dropped"] == ["person"]


@pytest.mark.parametrize(
    ("level", "own", "library"),
    [
        ("debug", ["debug", "info", "warning", "error"], ["warning", "error"]),
        ("info", ["info", "warning", "error"], ["warning", "error"]),
        ("warning", ["warning", "error"], ["warning", "error"]),
        ("error", ["error"], ["error"]),
    ],
)
def test_the_level_governs_our_lines_and_libraries_speak_from_warnings_on(
    level: Any, own: list[str], library: list[str], log: Log
) -> None:
    configure(level, "json", clock=Clock(), stream=log)
    for name in ("debug", "info", "warning", "error"):
        for package in OWN_PACKAGES:
            getattr(logger(f"{package}.module"), name)("ours")
        for package in ("uvicorn.error", "aiosqlite", "sqlalchemy.engine.Engine", "asyncio"):
            getattr(logging.getLogger(package), name)("theirs")
    found = log.lines()
    ours = [line["level"] for line in found if line["event"] == "ours"]
    assert ours == [name for name in own for _ in OWN_PACKAGES]
    theirs = [line["level"] for line in found if line["event"] == "theirs"]
    assert theirs == [name for name in library for _ in range(4)]


def test_a_library_that_speaks_below_warnings_is_not_heard(log: Log) -> None:
    library = logging.getLogger("some.library")
    library.setLevel(logging.DEBUG)
    library.info("SELECT 'Heather'")
    library.setLevel(logging.NOTSET)
    assert log.lines() == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "Parent, Heather"),
        ("address", "+16125550101"),
        ("subject", "School is Cancelled"),
        ("positional_args", "Heather"),
        ("reason", {"name": "Parent, Heather"}),
        ("reason", ["ok", 5]),
        ("reason", ("Parent", "Heather")),
        ("reason", b"Heather"),
        ("reason", ValueError("Heather")),
    ],
)
def test_what_is_not_known_to_be_harmless_is_dropped_and_named(
    key: str, value: object, log: Log
) -> None:
    logger().info("sent", count=1, **{key: value})
    assert log.lines() == [
        {
            "event": "sent",
            "count": 1,
            "dropped": [key],
            "level": "info",
            "logger": "delivery.dispatcher",
            "at": AT,
        }
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("heather@nomail.example", "[address]"),
        ("no mailbox heather@nomail.example, x@y", "no mailbox [address] [address]"),
        ("refused for +16125550101.", "refused for [address]."),
        ("refused for +1 (612) 555-0101", "refused for [address]"),
        ("2020-01-31T17:00:00+00:00", "2020-01-31T17:00:00+00:00"),
        ("x" * 201, "x" * 200),
        ("x" * 195 + " a@b.example", "x" * 195 + " [address]"),
        (["a@b", "c"], ["[address]", "c"]),
        ("a\nb\ud800", "a\nb\ud800"),
    ],
)
def test_a_value_holds_no_address_and_is_no_longer_than_an_id(
    value: object, written: object, log: Log
) -> None:
    logger().info("sent", reason=value)
    (line,) = log.lines()
    assert line["reason"] == written


def test_text_from_elsewhere_can_neither_break_nor_forge_a_line(log: Log) -> None:
    logger().info('a\n{"event": "forged"}', reason='b\r\n{"event": "forged"}')
    assert [line["event"] for line in log.lines()] == ['a\n{"event": "forged"}']


@pytest.mark.parametrize(
    ("message", "values", "written"),
    [
        ("row %s refused", ("Heather",), "row %s refused"),
        (
            "Task exception was never retrieved\nfuture: Heather",
            (),
            "Task exception was never retrieved",
        ),
        (ValueError("Heather"), (), "ValueError"),
        ("bounced a@b.example", (), "bounced [address]"),
    ],
)
def test_a_library_line_keeps_its_words_and_loses_its_values(
    message: object, values: tuple[object, ...], written: str, log: Log
) -> None:
    logging.getLogger("some.library").warning(message, *values, extra={"name_of": "Heather"})
    (line,) = log.lines()
    assert re.fullmatch(r"test_log_output:\d+ test_a_library_line_\w+", line.pop("where"))
    assert line == {"event": written, "logger": "some.library", "level": "warning", "at": AT}


def _fail(error: Exception) -> None:
    raise error


def test_an_exception_is_its_type_and_its_frames_without_its_message(log: Log) -> None:
    try:
        try:
            _fail(KeyError("Heather"))
        except KeyError as cause:
            raise json.JSONDecodeError("Heather", "doc", 0) from cause
    except ValueError:
        logger().exception("not sent")
        logging.getLogger("some.library").exception("not sent")
    for line in log.lines():
        assert line["event"] == "not sent"
        assert line["error"] == "json.decoder.JSONDecodeError"
        here = f"{__name__}:N test_an_exception_is_its_type_and_its_frames_without_its_message"
        assert [re.sub(r":\d+ ", ":N ", frame) for frame in line["stack"]] == [
            "json.decoder.JSONDecodeError",
            here,
            "KeyError",
            here,
            f"{__name__}:N _fail",
        ]
        assert "Heather" not in json.dumps(line)
        assert "dropped" not in line


def test_the_console_shows_an_exception_by_its_frames_too(log: Log) -> None:
    configure("info", "console", clock=Clock(), stream=log)
    try:
        _fail(KeyError("Heather"))
    except KeyError:
        logger().exception("not sent")
        logging.getLogger("some.library").exception("not sent")
    shown = log.getvalue()
    assert shown.count("not sent") == 2
    assert len(re.findall(rf"{__name__}:\d+ _fail", shown)) == 2
    assert "Heather" not in shown
    assert "Traceback" not in shown


def test_a_line_that_cannot_be_written_is_lost_without_a_word(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    log.close()
    try:
        _fail(KeyError("Heather"))
    except KeyError:
        logger().exception("not sent")
    assert capsys.readouterr() == ("", "")


def test_of_a_group_the_first_failure_is_shown_and_a_circle_ends(log: Log) -> None:
    first, second = ValueError("a"), TypeError("b")
    first.__cause__, second.__cause__ = second, first
    logger().error("failed", exc_info=ExceptionGroup("both", [first, second]))
    (line,) = log.lines()
    assert line["error"] == "ExceptionGroup"
    assert line["stack"] == ["ExceptionGroup", "ValueError", "TypeError"]


def test_an_endless_recursion_leaves_the_last_thirty_frames(log: Log) -> None:
    def again() -> None:
        again()

    with pytest.raises(RecursionError) as caught:
        again()
    logger().error("failed", exc_info=caught.value)
    (line,) = log.lines()
    assert len(line["stack"]) == 31


def test_exc_info_without_an_exception_adds_nothing(log: Log) -> None:
    logger().error("failed", exc_info=True, stack_info=True)
    (line,) = log.lines()
    assert line.keys() == {"event", "level", "logger", "at"}


def test_the_console_shows_the_same_line_to_a_person(log: Log) -> None:
    configure("info", "console", clock=Clock(), stream=log)
    logger().info("chunk sent", message_id="M-1", name="Heather")
    text = log.getvalue()
    assert text.startswith(f"{AT} [info     ] chunk sent")
    assert "message_id=M-1" in text
    assert "dropped=['name']" in text
    assert "Heather" not in text


def test_the_access_lines_of_uvicorn_are_off(log: Log) -> None:
    access = logging.getLogger("uvicorn.access")
    access.error('%s - "%s %s"', "127.0.0.1", "GET", "/?name=Heather")
    assert log.lines() == []


WRITES: Final = re.compile(r"_log\.(debug|info|warning|error|exception)")


def test_every_key_that_our_code_logs_is_known() -> None:
    """So that a line is mended here, and not found incomplete when it is needed."""
    root, logged = Path(__file__).parents[3], set[str]()
    for file in (file for package in OWN_PACKAGES for file in (root / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and WRITES.fullmatch(ast.unparse(node.func)):
                logged |= {keyword.arg for keyword in node.keywords if keyword.arg}
    assert logged >= {"reason", "count"}
    assert logged - KEYS - {"exc_info"} == set()
