"""The promise: a command reports an unreachable database in words; an internal error keeps its traceback."""

import sqlite3

import psycopg
import pytest
from sqlalchemy import exc

from server.cli.errors import exit_on_error

AT_START = "The database cannot be reached: {}. Check SENTLOG_DATABASE_URL.\n"
LATER = "The database did not finish: {}. Run the command again.\n"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (exc.OperationalError(None, None, psycopg.OperationalError("no route\nto host")), AT_START),
        (exc.TimeoutError("no route"), AT_START),
        (psycopg.OperationalError("no route"), AT_START),
        (exc.OperationalError("SELECT secret", {}, sqlite3.OperationalError("no route")), LATER),
        (exc.InternalError("SELECT secret", {}, psycopg.InternalError("no route")), LATER),
    ],
    ids=["unreachable", "full pool", "the driver's", "locked", "ended"],
)
def test_an_outage_is_reported_in_words_without_the_statement(
    error: Exception, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, exit_on_error():
        raise error
    assert ended.value.code == 1
    assert capsys.readouterr().err == words.format("no route")


@pytest.mark.parametrize(
    "error",
    [
        exc.ProgrammingError("SELECT", {}, Exception("no such table")),
        exc.IntegrityError("INSERT", {}, Exception("not unique")),
        OSError("the disk is full"),
    ],
    ids=["wrong statement", "broken constraint", "a file"],
)
def test_what_is_no_outage_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, exit_on_error():
        raise error
    assert raised.value is error
