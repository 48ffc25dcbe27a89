"""The command line: output and exit status of each command."""

import asyncio
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import make_url, select, text

from db import migrations
from db.connect.database import Database
from db.tables.operations import AUDIT
from domain.viewer import Right
from schema.contract import SCHEMA
from server.auth.authenticator import Authenticator
from server.auth.key_sources import connect_keys
from server.cli.errors import user_here
from server.cli.main import main
from server.settings.settings import Settings
from tests.log import district, email, load, message, recipient
from tests.log import text as log_text
from tests.server.auth.signing import SECRET

COMMANDS = {
    "demo": "Run a server with the log of Plainview Schools on this machine alone, and print a link",
    "serve": "Run the server.",
    "worker": "Send messages and do the other background work, until SIGINT or SIGTERM.",
    "audit": "Seal and verify the audit: who looked at what, and who did what.",
    "check": "Recount the whole log from its rows, and print each difference from the stored counters.",
    "purge": "Remove the recipients of old messages, the bodies and the reports;",
    "receipts": "List the receipts of providers that belong to no delivery.",
    "migrate": "Migrate the database to the newest revision, and run its backfills.",
    "import": "Take the messages of FILE (NDJSON; - for standard input) into the log.",
    "generate": "Write made-up messages as NDJSON to standard output.",
    "token": "Print a token for development, signed with the key of the settings or of the demo.",
    "schema": "Print the GraphQL schema.",
}
GOOD = district() + message("M-1", [recipient("p1", email())]) + message("M-2")


def run(*arguments: str, **environment: str) -> Result:
    """What a command does in an environment in which nothing else of ours is set."""
    ours = {name: None for name in os.environ if name.startswith("SENTLOG_")}
    return CliRunner().invoke(main, arguments, env={**ours, **environment}, catch_exceptions=False)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> dict[str, str]:
    """An environment with a migrated database."""
    return {"SENTLOG_DATABASE_URL": database_url, "SENTLOG_DATA_DIR": str(tmp_path)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with two messages."""
    file = tmp_path / "messages.ndjson"
    file.write_bytes(GOOD)
    return file


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does(command: str) -> None:
    result = run(command, "--help")

    assert (result.exit_code, result.stderr) == (0, "")
    assert COMMANDS[command] in re.sub(r"\s+", " ", result.stdout)


def test_the_list_of_commands_has_them_all() -> None:
    result = run("--help")

    assert result.exit_code == 0
    assert COMMANDS.keys() == set(re.findall(r"^  (\w+)  ", result.stdout, re.MULTILINE))


def test_the_schema_is_printed_and_nothing_else() -> None:
    result = run("schema")

    assert (result.exit_code, result.stdout, result.stderr) == (0, SCHEMA.as_str() + "\n", "")


async def test_a_token_is_printed_and_nothing_else_and_is_taken_under_the_same_settings() -> None:
    arguments = ["--id", "u7", "--name", "Matthews, Dexter", "--district", "north"]
    limits = ["--school", "ost", "--school", "west", "--right", "VIEW_LOG", "--hours", "1"]

    result = run("token", *arguments, *limits, SENTLOG_JWT_KEY=SECRET)

    assert (result.exit_code, result.stderr, result.stdout.count("\n")) == (0, "", 1)
    stderr_lines = Settings.from_environment({"SENTLOG_JWT_KEY": SECRET})
    now = datetime.now(UTC)
    async with httpx2.AsyncClient() as client:
        keys = connect_keys(stderr_lines, client, clock=lambda: now)
        viewer = await Authenticator(stderr_lines, keys, clock=lambda: now).viewer(
            f"Bearer {result.stdout.strip()}"
        )
    assert (viewer.id, viewer.name, viewer.district) == ("u7", "Matthews, Dexter", "north")
    assert (viewer.schools, viewer.rights) == (
        frozenset({"ost", "west"}),
        frozenset({Right.VIEW_LOG}),
    )
    assert timedelta(minutes=59) < viewer.expires_at - now < timedelta(minutes=61)


async def test_without_rights_a_token_has_all_but_that_to_write() -> None:
    result = run("token", SENTLOG_JWT_KEY=SECRET)

    stderr_lines = Settings.from_environment({"SENTLOG_JWT_KEY": SECRET})
    now = datetime.now(UTC)
    async with httpx2.AsyncClient() as client:
        keys = connect_keys(stderr_lines, client, clock=lambda: now)
        viewer = await Authenticator(stderr_lines, keys, clock=lambda: now).viewer(
            f"Bearer {result.stdout.strip()}"
        )
    assert viewer.rights == set(Right) - {Right.INGEST_MESSAGES, Right.READ_INBOX}
    assert (viewer.district, viewer.schools) == ("plainview", frozenset())


def test_without_a_key_there_is_no_token(tmp_path: Path) -> None:
    result = run("token", SENTLOG_DATA_DIR=str(tmp_path))

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"SENTLOG_JWT_KEY: it is not set, and no demo has been started in {tmp_path / 'demo'}."
        " Set the key that the server has, or SENTLOG_DATA_DIR to the folder of the demo.\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["token", "--right", "EVERYTHING"],
        ["token", "--hours", "0"],
        ["serve", "--port", "0"],
        ["import"],
        ["nonsense"],
    ],
)
def test_what_cannot_be_meant_ends_with_two(arguments: list[str]) -> None:
    result = run(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")


@pytest.mark.parametrize(
    "command", [["serve"], ["worker"], ["migrate"], ["import", "-"], ["check"], ["token"], ["demo"]]
)
def test_all_invalid_settings_are_reported_at_once(command: list[str]) -> None:
    result = run(*command, SENTLOG_PROT="80", SENTLOG_LOG_LEVEL="loud")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "SENTLOG_PROT: there is no such setting. The nearest is SENTLOG_PORT: correct the name, or unset it.\n"
        "SENTLOG_LOG_LEVEL: 'loud' is refused: it should be 'debug', 'info', 'warning' or 'error'."
        " It takes debug, info, warning or error.\n"
    )


def test_migrating_twice_is_migrating_once(empty_database_url: str, tmp_path: Path) -> None:
    settings = {"SENTLOG_DATABASE_URL": empty_database_url, "SENTLOG_DATA_DIR": str(tmp_path)}

    results = [run("migrate", **settings) for _ in range(2)]

    assert [(result.exit_code, result.stdout, result.stderr) for result in results] == [
        (0, "", f"The database is at revision {migrations.head()}.\n")
    ] * 2


def stderr_lines(result: Result) -> list[str]:
    """What a person reads, without the bar."""
    return [
        line
        for line in result.stderr.splitlines()
        if "recipients/s" not in line and "━" not in line
    ]


def test_an_import_says_what_went_in(settings: dict[str, str], file: Path) -> None:
    first, second = (run("import", str(file), **settings) for _ in range(2))

    assert (first.exit_code, first.stdout, stderr_lines(first)) == (
        0,
        "",
        [
            "6 lines: 2 messages with 1 recipients and 1 deliveries went in, 0 were there already, 0 were refused."
        ],
    )
    assert (second.exit_code, stderr_lines(second)) == (
        0,
        [
            "6 lines: 0 messages with 0 recipients and 0 deliveries went in, 2 were there already, 0 were refused."
        ],
    )


async def test_an_import_is_in_the_audit_under_the_user_of_the_machine(
    settings: dict[str, str], file: Path
) -> None:
    await asyncio.to_thread(run, "import", str(file), **settings)

    database = Database(settings["SENTLOG_DATABASE_URL"])
    async with database.reading() as connection:
        row = (await connection.execute(select(AUDIT))).one()
    await database.dispose()
    assert (row.viewer_id, row.action, row.subject, row.messages) == (
        f"os:{user_here()}",
        "INGEST",
        "district.1",
        2,
    )
    assert (row.origin, len(row.request_id)) == (None, 16)


def test_an_import_names_what_was_refused_and_ends_with_one(
    settings: dict[str, str], file: Path
) -> None:
    file.write_bytes(
        GOOD
        + message("M-3", [recipient("p1", email(confirmed=False), log_text(confirmed=True))])
        + b"[1]\n"
    )

    result = run("import", str(file), **settings)

    assert (result.exit_code, result.stdout) == (1, "")
    assert stderr_lines(result)[0] == (
        "line 8, message M-3: devices[1].confirmed: TEXT cannot be confirmed: only a VOICE call can"
    )
    assert stderr_lines(result)[1].startswith("line 10: ")
    assert stderr_lines(result)[2] == (
        "10 lines: 2 messages with 1 recipients and 1 deliveries went in, 0 were there already, 1 were refused."
    )


def test_an_import_warns_of_addresses_that_cannot_be_read_and_ends_with_zero(
    settings: dict[str, str], file: Path
) -> None:
    file.write_bytes(GOOD + message("M-3", [recipient("p1", email(), log_text("555-0101"))]))

    result = run("import", str(file), **settings)

    assert (result.exit_code, result.stdout, stderr_lines(result)) == (
        0,
        "",
        [
            "warning: line 8, message M-3: devices[1].address: '555-0101' is not a phone number. It has no area code."
            " Write it like +16125550101, with country code.",
            "9 lines: 3 messages with 2 recipients and 3 deliveries went in, 0 were there already, 0 were refused.",
        ],
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.ndjson", "No such file or directory"), ("", "Is a directory")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, reason: str) -> None:
    path = tmp_path / name

    result = run("import", str(path))

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(f"Error: Invalid value for 'FILE': '{path}': {reason}\n")


async def test_a_check_that_finds_nothing_says_so(
    settings: dict[str, str], database: Database
) -> None:
    await load(database, GOOD)

    result = await asyncio.to_thread(run, "check", **settings)

    assert (result.exit_code, result.stdout) == (0, "")
    assert stderr_lines(result) == ["2 messages: 0 differences, 0 faults of the database itself."]


async def test_a_check_prints_what_does_not_follow_from_the_rows_and_ends_with_one(
    settings: dict[str, str], database: Database
) -> None:
    await load(database, GOOD)
    async with database.writing() as connection:
        await connection.execute(text("UPDATE message SET people = 7 WHERE external_id = 'M-1'"))

    result = await asyncio.to_thread(run, "check", **settings)

    assert (result.exit_code, result.stdout) == (
        1,
        "message M-1: people is 7, and 1 when counted again\n",
    )
    assert stderr_lines(result) == ["2 messages: 1 differences, 0 faults of the database itself."]


def test_a_database_that_nobody_has_migrated_is_not_written_to(
    empty_database_url: str, file: Path
) -> None:
    """But a SQLite file has one user, and is brought up to date."""
    result = run("import", str(file), SENTLOG_DATABASE_URL=empty_database_url)

    if make_url(empty_database_url).get_backend_name() == "sqlite":
        assert result.exit_code == 0
    else:
        assert (result.exit_code, result.stderr) == (
            1,
            "The database has no tables yet, this program needs revision"
            f" {migrations.head()}: run `sentlog migrate`.\n",
        )


def test_an_unreachable_database_is_reported_in_words(file: Path) -> None:
    url = "postgresql://somebody:secret@127.0.0.1:1/log"

    result = run("import", str(file), SENTLOG_DATABASE_URL=url)

    assert (result.exit_code, result.stdout) == (1, "")
    assert re.fullmatch(
        r"The database cannot be reached: .*127\.0\.0\.1.*1.*\. Check SENTLOG_DATABASE_URL\.\n",
        result.stderr,
    )
    assert "secret" not in result.stderr


def test_a_file_in_the_working_folder_is_a_database_as_well(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = run("import", str(file), SENTLOG_DATABASE_URL="sqlite:///log.sqlite3")

    assert (result.exit_code, (tmp_path / "log.sqlite3").exists()) == (0, True)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, file: Path) -> None:
    result = run("import", str(file), SENTLOG_DATA_DIR=str(file / "data"))

    assert (result.exit_code, result.stderr) == (
        1,
        f"{file / 'data'} cannot be made: Not a directory."
        " Set SENTLOG_DATA_DIR or SENTLOG_DATABASE_URL to where this user may write.\n",
    )


def test_a_sqlite_file_has_one_server_process(tmp_path: Path) -> None:
    result = run("serve", "--workers", "2", SENTLOG_JWT_KEY=SECRET, SENTLOG_DATA_DIR=str(tmp_path))

    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        "--workers 2: a SQLite file has one server process. Use PostgreSQL, or one worker.\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_a_server_without_a_key_does_not_start(tmp_path: Path) -> None:
    result = run("serve", SENTLOG_DATA_DIR=str(tmp_path))

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("SENTLOG_JWT_KEY: it is not set, so nobody could sign in.")
