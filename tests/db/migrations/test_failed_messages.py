"""The backfill marks the messages of an older log that have a failed delivery, piece by piece."""

import pytest
from sqlalchemy import delete, select, text

from db.connect.database import Database
from db.migrations import backfills, failed_messages
from db.tables.log import MESSAGE
from db.tables.operations import BACKFILL
from domain.status import DeliveryStatus
from tests.log import district, email, load, message, recipient

NAME = "failures of messages"


def listed(number: int) -> list[dict[str, object]]:
    failed, sent = email(status=DeliveryStatus.FAILED), email(status=DeliveryStatus.SENT)
    kinds = [[], [recipient("p", failed)], [recipient("p", sent), recipient("q", failed, name="Q")]]
    return kinds[number % 3]


@pytest.mark.parametrize("rows", [1, 2, 2_000])
async def test_the_messages_with_a_failed_delivery_are_marked(
    database: Database, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(failed_messages, "ROWS", rows)
    await load(database, district(), *(message(f"M-{n}", listed(n)) for n in range(7)))
    async with database.writing() as connection:
        await connection.execute(text("UPDATE message SET has_failures = false"))
        await connection.execute(delete(BACKFILL).where(BACKFILL.c.name == NAME))
    assert [progress.name for progress in await backfills.unfinished(database)] == [NAME]

    await backfills.run(database)

    async with database.reading() as connection:
        statement = select(MESSAGE.c.external_id).where(MESSAGE.c.has_failures)
        marked = set(await connection.scalars(statement))
    assert marked == {"M-1", "M-4"}
    assert await backfills.unfinished(database) == []
