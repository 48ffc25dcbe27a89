"""A purge takes the messages of the chosen districts that are old enough and have ended."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import update

from db.connect.database import Database
from db.tables.log import ADDRESS, DELIVERY, PERSON, RECIPIENT
from delivery.upkeep.purge import PurgeProgress, run_purge
from domain.status import DeliveryStatus, MessageStatus
from tests.delivery.upkeep.purges import CUT, OLD, load_old, purge_of, rows, stand
from tests.delivery.world import World
from tests.log import NOON, district, email, load, message, recipient

ROOT: Final = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("at", "delivery", "goes"),
    [
        (MessageStatus.SENT, DeliveryStatus.DELIVERED, True),
        (MessageStatus.CANCELED, DeliveryStatus.CANCELED, True),
        (MessageStatus.CANCELED_IN_PROGRESS, DeliveryStatus.SENT, True),
        (MessageStatus.ERROR, DeliveryStatus.IN_PROGRESS, True),
        (MessageStatus.ERROR, DeliveryStatus.PENDING, False),
        (MessageStatus.CANCELED, DeliveryStatus.PENDING, False),
        (MessageStatus.CANCELED_IN_PROGRESS, DeliveryStatus.IN_PROGRESS, False),
        (MessageStatus.IN_PROGRESS, DeliveryStatus.IN_PROGRESS, False),
        (MessageStatus.WAITING, DeliveryStatus.PENDING, False),
    ],
)
async def test_only_ended_messages_are_purged(
    database: Database,
    tmp_path: Path,
    at: MessageStatus,
    delivery: DeliveryStatus,
    goes: bool,
) -> None:
    await stand(database, at, delivery)
    before = await World(database).everything()

    progress = await run_purge(purge_of(database, tmp_path))

    assert progress.messages == goes
    assert (await World(database).everything() == before) is not goes


async def test_a_message_with_claimed_deliveries_is_not_purged(
    database: Database, tmp_path: Path
) -> None:
    await stand(database, MessageStatus.ERROR, DeliveryStatus.IN_PROGRESS)
    async with database.writing() as connection:
        await connection.execute(update(DELIVERY).values(claim="x", lease_until=NOON))

    assert await run_purge(purge_of(database, tmp_path)) == PurgeProgress()


@pytest.mark.parametrize(
    ("created_at", "scheduled_at", "goes"),
    [
        (CUT - timedelta(seconds=1), CUT - timedelta(seconds=1), True),
        (CUT, CUT, False),
        (CUT - timedelta(days=400), CUT, False),
    ],
)
async def test_the_age_of_a_message_counts_from_the_later_of_creation_and_sending(
    database: Database, tmp_path: Path, created_at: Any, scheduled_at: Any, goes: bool
) -> None:
    await load(database, district(), message(created_at=created_at, scheduled_at=scheduled_at))

    assert (await run_purge(purge_of(database, tmp_path))).messages == goes


async def test_other_districts_are_not_purged(database: Database, tmp_path: Path) -> None:
    await load_old(database)
    await load(
        database,
        district("north", name="North"),
        message("OLD", [recipient("p1", email())], district="north", created_at=OLD),
    )

    progress = await run_purge(purge_of(database, tmp_path, district="north"))

    assert progress == PurgeProgress(messages=1, recipients=1, deliveries=1)
    assert len(await rows(database, RECIPIENT.c.message_id, RECIPIENT.c.number)) == 5


async def test_a_purge_in_steps_of_any_size_removes_all(database: Database, tmp_path: Path) -> None:
    lists = [[recipient(f"p{n}", email(f"p{n}@nomail.example")) for n in range(5)]] * 5
    await load(
        database,
        district(),
        *(message(f"M-{n}", people, created_at=OLD) for n, people in enumerate(lists)),
    )

    progress = await run_purge(purge_of(database, tmp_path, page=2, rows=2))

    assert progress == PurgeProgress(messages=5, recipients=25, deliveries=25)
    assert [row for row in await rows(database, PERSON.c.name) if row[0]] == []
    assert await rows(database, ADDRESS.c.key) == []
