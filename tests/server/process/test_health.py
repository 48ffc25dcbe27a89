"""`/healthz` and `/readyz`: their responses."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update
from starlette.applications import Starlette
from starlette.testclient import TestClient

from db import migrations
from db.connect.database import Database
from db.tables.operations import BACKFILL, REPORT
from delivery.reports.failures import FailureKind, viewer_message
from domain.report import KEPT, ReportFormat, ReportStatus
from server.auth.keys import Key
from server.process import health
from tests.delivery.reports.printing import printing, requested_report
from tests.log import NOON, district, email, load, message, recipient


class NoKeys:
    """Keys that cannot be had."""

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        raise AssertionError("nobody signs in here")

    async def ready(self) -> bool:
        return False


@pytest.fixture
async def empty(empty_database_url: str) -> AsyncIterator[Database]:
    """A database in which nothing has been made."""
    database = Database(empty_database_url)
    yield database
    await database.dispose()


async def passes() -> str | None:
    return None


async def fails() -> str | None:
    return "It rains."


@pytest.mark.parametrize(
    ("checks", "status", "said"),
    [
        ({}, 200, {"status": "ready"}),
        ({"sun": passes}, 200, {"status": "ready", "sun": "ready"}),
        (
            {"sun": passes, "rain": fails},
            503,
            {"status": "not ready", "sun": "ready", "rain": "It rains."},
        ),
    ],
)
def test_ready_is_when_every_check_passes(
    checks: dict[str, health.Check], status: int, said: dict[str, str]
) -> None:
    client = TestClient(Starlette(routes=health.routes(checks)))

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()) == (status, said)


def test_a_process_lives_whatever_the_checks_find() -> None:
    client = TestClient(Starlette(routes=health.routes({"rain": fails})))

    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_a_migrated_database_is_ready(database: Database) -> None:
    assert await health.database_check(database)() is None


async def test_a_database_without_tables_says_what_to_do(empty: Database) -> None:
    assert await health.database_check(empty)() == (
        f"The database has no tables yet, this program needs revision {migrations.head()}: run `sentlog migrate`."
    )


async def test_a_database_of_an_older_program_says_what_to_do(empty: Database) -> None:
    await migrations.upgrade(empty, "0001")

    assert await health.database_check(empty)() == (
        f"The database is at revision 0001, this program needs revision {migrations.head()}: run `sentlog migrate`."
    )


async def test_a_database_whose_backfill_is_not_finished_says_what_to_do(
    database: Database,
) -> None:
    async with database.writing() as connection:
        await connection.execute(
            update(BACKFILL).values(finished_at=None, done_up_to=1_000, last=5_000)
        )

    assert await health.database_check(database)() == (
        "The backfill 'addresses' is not finished (id 1000 of 5000): run `sentlog migrate`, which goes on where it was."
    )

    await migrations.upgrade(database)
    assert await health.database_check(database)() is None


@pytest.mark.parametrize(
    "url",
    [
        "sqlite+aiosqlite:////nowhere/at/all/sentlog.sqlite3",
        "postgresql+psycopg://nobody:secret@127.0.0.1:1/nothing",
    ],
)
async def test_a_database_that_is_not_there_says_nothing_of_itself(url: str) -> None:
    database = Database(url)

    assert await health.database_check(database)() == "The database does not answer."
    await database.dispose()


async def test_a_file_that_is_no_database_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("This is a letter, and a long one." * 100)
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'log'}")

    assert await health.database_check(database)() == "The database does not answer."
    await database.dispose()


async def test_reports_that_failed_are_noted_with_the_reason_of_the_last_one(
    database: Database, tmp_path: Path
) -> None:
    await load(database, district(), message("M-1", [recipient("p1", email())]))
    report_runtime = printing(database, tmp_path)
    ids = [await requested_report(report_runtime, format=format) for format in ReportFormat]
    note = health.reports_note(database, clock=lambda: NOON)
    assert await note() is None

    async with database.writing() as connection:
        for id, kind in zip(ids, (FailureKind.KILLED, FailureKind.STORE_FULL), strict=False):
            failed = update(REPORT).where(REPORT.c.id == id)
            await connection.execute(
                failed.values(status=ReportStatus.FAILED, failure=viewer_message(kind))
            )

    assert await note() == (
        "Reports of the last 24 hours that failed: 2. The last one: The report could not be made. "
        "The disk on which reports are kept is full. Tell your administrator. The log has the cause."
    )
    assert await health.reports_note(database, clock=lambda: NOON + KEPT)() is None


async def test_without_keys_nobody_can_sign_in() -> None:
    assert await health.keys_check(NoKeys())() == "The keys that check sign-ins cannot be read."
