"""Staged rows belong to one connection, and a move takes only complete messages, in a constant number of statements."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, time
from typing import Any

import pytest
from sqlalchemy import Table, event, select, text
from sqlalchemy.exc import DBAPIError

from db.connect.database import Database
from db.ingest import move_in as log
from db.ingest import staging_tables
from db.ingest.staging_tables import StagedDelivery, StagedMessage, StagedRecipient
from db.log import districts
from db.sql.connections import ReadConnection, WriteConnection
from db.tables.log import DISTRICT
from tests.log import district, load, message, school
from tests.resolvers.uploads import rows, story

NOON = datetime(2020, 1, 31, 18, 0, 0, 5, tzinfo=UTC)


def message_row(ref: int, *, external_id: str | None = None, digest: bytes = b"d") -> StagedMessage:
    return StagedMessage(
        ref=ref,
        district_id=1,
        external_id=external_id or f"M-{ref}",
        school_id=1,
        visible_from=NOON,
        status="SENT",
        type_code="BEHAVIOR",
        type_label="Behavior",
        type_key="behavior",
        category=None,
        subject="Tab\there, \\N and\nline",
        subject_key="tab here",
        sender_id="u1",
        sender_name="Administrator, System",
        sender_key="administrator, system",
        created_at=NOON,
        created_text="01/31/2020 12:00 pm",
        scheduled_at=NOON,
        scheduled_text="01/31/2020 12:00 pm",
        schedule_id=None,
        schedule_key=None,
        source="TEMPLATE",
        modes="VOICE",
        is_recorded=True,
        has_open=False,
        body="王小明\r\n",
        body_format="PLAIN",
        text_body=None,
        voice_script="",
        reply_to=None,
        filter_criteria="[]",
        words="",
        digest=digest,
        canceled_at=None,
        canceled_by_id=None,
        canceled_by_name=None,
        cancel_reason=None,
    )


def recipient_row(ref: int, number: int = 0) -> StagedRecipient:
    return StagedRecipient(ref, number, "p1", "Parent", "parent", None, None, None, 1)


def delivery_row(ref: int, recipient: int = 0, number: int = 0) -> StagedDelivery:
    phone = "+16125550101"
    return StagedDelivery(
        ref, recipient, number, 0, "VOICE", "PHONE", phone, phone, "SENT", 5, 0, 1, NOON, 1
    )  # fmt: skip


@pytest.fixture
async def places(database: Database) -> None:
    """A district and a school, each with our id 1."""
    await load(database, district(call_window=("08:00", "20:00")), school())


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Record the statements inside the block."""
    asked: list[str] = []

    def hear(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", hear)
    try:
        yield asked
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", hear)


async def put(connection: ReadConnection, *refs: int, whole: bool = True) -> None:
    """Stage messages, each with a recipient and a delivery."""
    if whole:
        await staging_tables.load(
            connection, staging_tables.MESSAGES, [message_row(ref) for ref in refs]
        )
    await staging_tables.load(
        connection, staging_tables.RECIPIENTS, [recipient_row(ref) for ref in refs]
    )
    await staging_tables.load(
        connection, staging_tables.DELIVERIES, [delivery_row(ref) for ref in refs]
    )


async def staged(connection: ReadConnection, table: Table) -> Sequence[int]:
    return (await connection.scalars(select(table.c.ref).order_by(table.c.ref))).all()


@pytest.mark.parametrize(
    ("table", "row"),
    [
        (staging_tables.MESSAGES, message_row(1)),
        (staging_tables.RECIPIENTS, recipient_row(1)),
        (staging_tables.DELIVERIES, delivery_row(1)),
        (staging_tables.DELIVERIES, delivery_row(1)._replace(at=None, call_status=None)),
    ],
)
async def test_a_staged_row_equals_its_input(
    database: Database, table: Table, row: tuple[Any, ...]
) -> None:
    columns = [column for column in table.c if column.name != "message_id"]
    async with database.reading() as connection:
        async with connection.begin():
            await staging_tables.create(connection)
            await staging_tables.load(connection, table, [row])

            assert tuple((await connection.execute(select(*columns))).one()) == row
        await connection.invalidate()


async def test_staged_rows_are_visible_only_to_their_connection_and_disappear_with_it(
    database: Database, places: None
) -> None:
    async with database.reading() as one, database.reading() as other:
        async with one.begin():
            await staging_tables.create(one)
            await put(one, 1)
        async with other.begin():
            await staging_tables.create(other)
            assert await staged(other, staging_tables.MESSAGES) == []
        async with one.begin():
            assert await staged(one, staging_tables.MESSAGES) == [1]
        await one.invalidate()
        await other.invalidate()
    with pytest.raises(DBAPIError):
        async with database.reading() as connection:
            await staged(connection, staging_tables.MESSAGES)


async def test_forget_clear_and_empty_keep_the_rows_of_other_messages(
    database: Database,
) -> None:
    async with database.reading() as connection:
        async with connection.begin():
            await staging_tables.create(connection)
            await put(connection, 1, 2, 3)
            await put(connection, 4, 5, whole=False)

            await staging_tables.forget(connection, [2, 4])
            assert await staged(connection, staging_tables.MESSAGES) == [1, 3]
            assert await staged(connection, staging_tables.RECIPIENTS) == [1, 3, 5]
            assert await staged(connection, staging_tables.DELIVERIES) == [1, 3, 5]

            await staging_tables.clear(connection)
            assert await staged(connection, staging_tables.MESSAGES) == []
            assert await staged(connection, staging_tables.RECIPIENTS) == [5]

            await staging_tables.empty(connection)
            assert await staged(connection, staging_tables.DELIVERIES) == []
        await connection.invalidate()


async def test_a_move_takes_complete_messages_and_leaves_the_others_staged(
    database: Database, places: None
) -> None:
    async with database.reading() as opened:
        async with database.begin_writing(opened) as connection:
            await staging_tables.create(connection)
            await put(connection, 1)
            await put(connection, 2, whole=False)
            await log.take_lock(connection)
            await log.move(connection)
            assert await staged(connection, staging_tables.DELIVERIES) == [1, 2]
        await connection.invalidate()

    written = await rows(database)
    assert [written[name] for name in ("message", "recipient", "delivery", "tally")] == [1] * 4
    [row] = (await story(database))["message"]
    assert row[7] == "Tab\there, \\N and\nline"
    assert row[19:22] == ("王小明\r\n", None, "")


@pytest.mark.parametrize("count", [1, 50, 500])
async def test_a_move_needs_as_many_statements_for_one_message_as_for_five_hundred(
    database: Database, places: None, count: int
) -> None:
    async with database.reading() as opened:
        async with database.begin_writing(opened) as connection:
            await staging_tables.create(connection)
            await put(connection, *range(1, count + 1))
            with statements(database) as asked:
                await log.move(connection)
        await connection.invalidate()

    assert (await rows(database))["message"] == count
    assert len(asked) == {"sqlite": 21, "postgresql": 33}[database.engine.dialect.name]


async def test_staged_messages_that_are_in_the_log_are_found_with_whether_they_are_equal(
    database: Database, places: None
) -> None:
    async with database.reading() as opened:
        async with database.begin_writing(opened) as connection:
            await staging_tables.create(connection)
            await put(connection, 1, 2)
            await log.move(connection)
            await staging_tables.empty(connection)
            again = [
                message_row(7, external_id="M-1"),
                message_row(8, external_id="M-2", digest=b"other"),
                message_row(9, external_id="m-1"),
            ]
            await staging_tables.load(connection, staging_tables.MESSAGES, again)

            assert await log.staged_in_log(connection) == {7: True, 8: False}
        await connection.invalidate()


async def test_digests_returns_those_of_the_messages_in_the_log(
    database: Database, places: None
) -> None:
    await load(
        database, district("riverside"), message("M-1"), message("M-2", district="riverside")
    )

    async with database.reading() as connection:
        found = await log.digests(connection, 1, ["M-1", "M-2", "M-3"])

        assert {name: len(digest) for name, digest in found.items()} == {"M-1": 32}
        assert await log.digests(connection, 1, []) == {}


async def test_the_call_hours_of_a_district_and_its_schools_are_found(
    database: Database, places: None
) -> None:
    await load(database, district("riverside"), school("east", district="riverside"))

    async with database.reading() as connection:
        known = await connection.execute(select(DISTRICT.c.external_id, DISTRICT.c.id))
        ids = {row.external_id: row.id for row in known}
        east = await districts.school_known_as(connection, ids["riverside"], "east")

        assert await log.call_hours(connection, ids["plainview"]) == (time(8), time(20))
        assert await log.call_hours(connection, ids["riverside"]) is None
        assert east == districts.SchoolRecord(2, ids["riverside"], "east", "East", "east")
        assert await districts.school_known_as(connection, ids["plainview"], "east") is None


async def test_two_moves_are_serialized(database: Database) -> None:
    turns: list[str] = []

    async def take_turn(name: str, held: asyncio.Event, goes_on: asyncio.Event) -> None:
        async with database.writing() as connection:
            await log.take_lock(connection)
            turns.append(f"{name} begins")
            held.set()
            await goes_on.wait()
            turns.append(f"{name} ends")

    held, goes_on = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(take_turn("first", held, goes_on))
    await held.wait()
    second = asyncio.create_task(take_turn("second", asyncio.Event(), goes_on))
    goes_on.set()
    await asyncio.gather(first, second)

    assert turns == ["first begins", "first ends", "second begins", "second ends"]


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_inserting_deliveries_does_not_scan_the_recipients_of_a_large_message(
    database: Database, places: None
) -> None:
    """Without statistics of a message, PostgreSQL may choose the index of names instead of that of keys."""
    async with database.reading() as connection:

        async def take(ref: int, recipients: int) -> None:
            await staging_tables.load(connection, staging_tables.MESSAGES, [message_row(ref)])
            everyone = [recipient_row(ref, one) for one in range(recipients)]
            named = [row._replace(name_key=f"parent {row.number}") for row in everyone]
            calls = [delivery_row(ref, one) for one in range(recipients)]
            await staging_tables.load(connection, staging_tables.RECIPIENTS, named)
            await staging_tables.load(connection, staging_tables.DELIVERIES, calls)
            await log.move(WriteConnection(connection))
            await staging_tables.clear(connection)

        async def scans() -> tuple[int, ...]:
            asked = text("SELECT pg_stat_get_xact_numscans(CAST(:name AS regclass))")
            names = ("recipient_pkey", "recipient_by_name")
            return tuple([await connection.scalar(asked, {"name": name}) for name in names])

        async with database.begin_writing(connection):
            await staging_tables.create(connection)
            await take(1, 1_000)
        async with connection.begin():
            await connection.execute(text("ANALYZE recipient"))
        async with database.begin_writing(connection):
            by_key, by_name = await scans()
            await take(2, 5_000)

            assert await scans() == (by_key + 5_000, by_name)
