"""`sentlog purge`: its questions, output, refusals and exit status."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from db.connect.database import Database
from db.tables.operations import AUDIT
from server.cli.main import main
from server.cli.purge import Age
from tests.delivery.upkeep.purges import WORDS, load_old, places_with
from tests.delivery.world import World
from tests.log import NOON, district, email, load, message, recipient
from tests.server.cli.test_main import run, stderr_lines

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> dict[str, str]:
    return {"SENTLOG_DATABASE_URL": database_url, "SENTLOG_DATA_DIR": str(tmp_path)}


async def asked(settings: dict[str, str], answer: str) -> Result:
    """What a purge does whose question is answered so."""
    return await asyncio.to_thread(
        CliRunner().invoke, main, ["purge", "--older-than", "1y"], env=settings, input=answer
    )


@pytest.mark.parametrize(
    ("age", "now", "before"),
    [
        (Age(400, "d"), NOW, datetime(2025, 10, 20, 12, tzinfo=UTC)),
        (Age(2, "y"), NOW, datetime(2024, 11, 24, 12, tzinfo=UTC)),
        (Age(1, "y"), datetime(2024, 2, 29, tzinfo=UTC), datetime(2023, 2, 28, tzinfo=UTC)),
        (Age(4, "y"), datetime(2024, 2, 29, tzinfo=UTC), datetime(2020, 2, 28, tzinfo=UTC)),
    ],
)
def test_an_age_is_counted_in_days_or_by_the_calendar(
    age: Age, now: datetime, before: datetime
) -> None:
    assert age.before(now) == before


@pytest.mark.parametrize(
    ("age", "said"),
    [
        ("2", "'2' is no age: write days or years, like 400d or 2y."),
        ("0d", "'0d' is no age: write days or years, like 400d or 2y."),
        ("6m", "'6m' is no age: write days or years, like 400d or 2y."),
        ("-1y", "'-1y' is no age: write days or years, like 400d or 2y."),
        ("101y", "'101y' is no age: write days or years, like 400d or 2y."),
        ("29d", "29d is too short: for 30 days providers may still say what became of a message."),
    ],
)
def test_what_is_no_age_is_refused(age: str, said: str) -> None:
    result = run("purge", "--older-than", age)

    assert (result.exit_code, result.stdout) == (2, "")
    assert said in re.sub(r"\s+", " ", result.stderr)


async def test_a_dry_run_says_what_would_go_and_changes_nothing(
    settings: dict[str, str], database: Database
) -> None:
    await load_old(database)
    waiting = message("W-1", [recipient("p1", email())], created_at=NOON, status=None)
    await load(database, district("north", name="North"), waiting.replace(b"plainview", b"north"))
    before = await World(database).everything()

    result = await asyncio.to_thread(run, "purge", "--older-than", "1y", "--dry-run", **settings)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "plainview: 2 messages with 4 people in their lists and 7 deliveries",
        "north: 0 messages with 0 people in their lists and 0 deliveries; 1 have not ended and are left alone",
    ]
    assert await World(database).everything() == before


async def test_a_purge_says_what_it_removed_and_where_the_audit_has_it(
    settings: dict[str, str], database: Database
) -> None:
    await load_old(database)

    result = await asyncio.to_thread(run, "purge", "--older-than", "1y", "--yes", **settings)

    assert result.exit_code == 0
    (line,) = [line for line in stderr_lines(result) if "removed" in line]
    said = re.fullmatch(
        r"The recipients of 2 messages were removed: 5 recipients and 7 deliveries\."
        r" The audit has each message, with the request id ([0-9a-f]{16})\.",
        line,
    )
    assert said is not None
    assert await places_with(database, *WORDS) == []
    async with database.reading() as connection:
        of_run = select(func.count()).where(AUDIT.c.request_id == said[1])
        assert await connection.scalar(of_run) == 2


async def test_without_a_yes_nothing_is_removed(
    settings: dict[str, str], database: Database
) -> None:
    await load_old(database)
    before = await World(database).everything()

    refused, silent = await asked(settings, "n\n"), await asked(settings, "")

    assert (refused.exit_code, silent.exit_code) == (1, 1)
    assert "This cannot be undone. Remove all that? [y/N]" in refused.stderr
    assert await World(database).everything() == before
    assert (await asked(settings, "y\n")).exit_code == 0
    assert await places_with(database, *WORDS) == []


async def test_where_nothing_is_old_nothing_is_asked(
    settings: dict[str, str], database: Database
) -> None:
    await load(database, district())

    result = await asked(settings, "")

    assert (result.exit_code, stderr_lines(result)) == (0, ["Nothing was to be removed."])


async def test_an_unknown_district_is_reported(
    settings: dict[str, str], database: Database
) -> None:
    await load_old(database)

    result = await asyncio.to_thread(
        run, "purge", "--older-than", "1y", "--yes", "--district", "nord", **settings
    )

    assert (result.exit_code, result.stdout) == (1, "")
    assert stderr_lines(result) == ["The log has no district 'nord'. Check --district."]
