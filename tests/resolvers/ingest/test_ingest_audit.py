"""The promise: the audit names the uploader and the number of messages, in the same transaction as the messages."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

import resolvers.ingest.upload
from db.connect.database import Database
from db.tables.operations import AUDIT
from resolvers.ingest.ingest import Uploader, ingest
from tests.log import NOON, district, message, school, viewer
from tests.resolvers.uploads import chunks, send

OPERATOR = Uploader("os:root", "198.51.100.7", "r-1")


async def audit(database: Database) -> Sequence[tuple[Any, ...]]:
    statement = select(
        AUDIT.c.at,
        AUDIT.c.viewer_id,
        AUDIT.c.action,
        AUDIT.c.subject,
        AUDIT.c.origin,
        AUDIT.c.request_id,
        AUDIT.c.messages,
    ).order_by(AUDIT.c.id)
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(statement)]


async def bring(database: Database, *lines: bytes, by: Uploader | None = OPERATOR) -> None:
    await ingest(database, chunks(b"".join(lines)), viewer=None, clock=lambda: NOON, by=by)


async def test_an_upload_is_written_down_with_the_messages_of_each_district(
    database: Database,
) -> None:
    await bring(
        database,
        *(district(), district("north"), message("M-1"), message("M-2")),
        *(message("N-1", district="north"), message("M-3", subject="x" * 2_000)),
    )

    said = ("198.51.100.7", "r-1")
    assert await audit(database) == [
        (NOON, "os:root", "INGEST", "district.1", *said, 2),
        (NOON, "os:root", "INGEST", "district.2", *said, 1),
    ]


async def test_what_brings_nothing_is_not_written_down(database: Database) -> None:
    await bring(database, district(), school(), message("M-1"), by=None)

    await bring(database, message("M-1"), message("M-2", subject="x" * 2_000))

    assert await audit(database) == []


async def test_a_viewer_is_written_down_though_nobody_says_so(database: Database) -> None:
    await send(database, district(), message("M-1"), viewer=viewer(id="sis"))

    assert await audit(database) == [(NOON, "sis", "INGEST", "district.1", None, None, 1)]


async def test_each_transaction_of_an_upload_has_its_entry(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolvers.ingest.upload, "BATCH", 1)

    await bring(database, district(), message("M-1"), message("M-2"))

    assert [row[-1] for row in await audit(database)] == [1, 1]


async def test_messages_and_their_entry_go_in_together_or_not_at_all(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bring(database, district())

    async def fail(connection: object, job: object = None) -> None:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        await ingest(
            database,
            chunks(message("M-1")),
            viewer=None,
            clock=lambda: NOON,
            announce=fail,
            by=OPERATOR,
        )

    assert await audit(database) == []
