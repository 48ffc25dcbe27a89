"""`sentlog receipts --unmatched` and the note of `/readyz`: the operator sees receipts that match no delivery."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from db.connect.database import Database
from db.dispatch.receipts import unmatched
from delivery.receipts.receipts import apply_receipts
from delivery.upkeep.expired_budgets import RECEIPTS_KEPT, forget
from domain.receipts import Receipt
from domain.status import DeliveryStatus, EventSource
from server.cli import purge
from server.process import health
from tests.log import NOON
from tests.server.cli.test_main import run, stderr_lines

STRANGER = Receipt(
    NOON, DeliveryStatus.FAILED, detail="bounce", reference="1@x\x1b[2J", address="a@nomail.example"
)
NAMED = Receipt(NOON, None, 3, detail="odd", key="7.0.0", address="+16125550101")


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> dict[str, str]:
    return {"SENTLOG_DATABASE_URL": database_url, "SENTLOG_DATA_DIR": str(tmp_path)}


async def hear(database: Database, *receipts: Receipt, hours: int = 0) -> None:
    now = NOON + timedelta(hours=hours)
    await apply_receipts(database, "mailgun", receipts, source=EventSource.CALLBACK, now=now)


async def test_the_list_says_why_each_receipt_belongs_to_no_delivery_and_masks_addresses(
    database: Database, settings: dict[str, str]
) -> None:
    await hear(database, STRANGER, STRANGER)
    await hear(database, NAMED, hours=1)

    result = await asyncio.to_thread(run, "receipts", "--unmatched", **settings)

    reason = "the log has no delivery with this key, or with this id and address"
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            f"2020-01-31 19:00:00Z mailgun UNKNOWN: {reason} (key 7.0.0; address •••;"
            " happened 2020-01-31 18:00:00Z; code 3; said odd)",
            f"2020-01-31 18:00:00Z mailgun FAILED: {reason} (id 1@x [2J; address •••;"
            " happened 2020-01-31 18:00:00Z; said bounce; times 2)",
        ],
    )
    assert stderr_lines(result) == ["2 unmatched receipts are kept; 2 are listed."]


async def test_the_operator_may_show_addresses_and_limit_the_list(
    database: Database, settings: dict[str, str]
) -> None:
    await hear(database, STRANGER)
    await hear(database, NAMED, hours=1)

    result = await asyncio.to_thread(
        run, "receipts", "--unmatched", "--show-addresses", "--limit", "1", **settings
    )

    (line,) = result.stdout.splitlines()
    assert "address +16125550101;" in line
    assert stderr_lines(result) == ["2 unmatched receipts are kept; 1 are listed."]


def test_without_unmatched_the_command_says_what_is_missing() -> None:
    result = run("receipts")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "--unmatched" in result.stderr


async def test_readiness_notes_how_many_came_of_late(database: Database) -> None:
    note = health.receipts_note(database, clock=lambda: NOON + timedelta(hours=25))
    assert await note() is None
    await hear(database, STRANGER)
    assert await note() is None, "that was yesterday"

    await hear(database, NAMED, hours=2)

    assert await note() == (
        "1 receipts of the last 24 hours belong to no delivery: run `sentlog receipts --unmatched`."
    )


async def test_they_go_thirty_days_after_they_last_came_which_is_before_any_purge(
    database: Database,
) -> None:
    assert RECEIPTS_KEPT <= purge.SHORTEST
    await hear(database, STRANGER, NAMED)
    await hear(database, STRANGER, hours=1)

    assert await forget(database, now=NOON + RECEIPTS_KEPT) == 0
    assert await forget(database, now=NOON + RECEIPTS_KEPT + timedelta(minutes=1)) == 1
    async with database.reading() as connection:
        (left,) = await unmatched.latest(connection, most=10)
    assert left.reference == STRANGER.reference
