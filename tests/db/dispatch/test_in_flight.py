"""The lock of a message is exclusive, and look-ups by key, reference and address find the right deliveries."""

import asyncio
from datetime import time

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import DBAPIError

from db.connect.database import Database
from db.dispatch import in_flight
from db.dispatch.in_flight import DeliveryTerms, LiveContent
from db.log.deliveries import DeliveryKey
from db.sql.connections import ReadConnection, WriteConnection
from db.tables.log import DELIVERY, MESSAGE
from domain.call_window import CallWindow
from domain.message import BodyFormat
from domain.status import DeliveryStatus, MessageStatus
from tests.delivery.world import World, call, number_of, people, text_to
from tests.log import NOON


async def test_changes_under_the_lock_of_a_message_are_serialized(world: World) -> None:
    message_id = await world.load(people(1, call))
    before = await world.columns_of("select revision from message")

    async def read_and_write() -> None:
        async with world.database.writing() as connection:
            message = await in_flight.lock(connection, message_id)
            assert message is not None
            await asyncio.sleep(0)
            await connection.execute(update(MESSAGE).values(revision=message.revision + 1))

    await asyncio.gather(*(read_and_write() for _ in range(20)))

    assert await world.columns_of("select revision from message") == [(before[0][0] + 20,)]


# SQLite has one lock for the whole file, which the operating system manages.
on_postgres = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


@on_postgres
async def test_the_lock_of_one_message_does_not_block_another(world: World) -> None:
    first = await world.load(people(1, call))
    second = await world.load(people(1, call), id="M-2")
    async with (
        world.database.writing() as one,
        world.database.writing() as other,
        asyncio.timeout(30),
    ):
        assert await in_flight.lock(one, first) is not None
        assert await in_flight.lock(other, second) is not None


@on_postgres
async def test_a_process_that_is_suspended_with_the_lock_loses_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise no other process could change the message. A cancel waits less: `db.connect.blockers`."""
    monkeypatch.setattr(in_flight, "LONGEST_IDLE", "50ms")
    message_id = await world.load(people(1, call))

    async def locked_by_another() -> bool:
        async with world.database.writing() as connection:
            return await in_flight.lock(connection, message_id) is not None

    suspended = WriteConnection(ReadConnection(world.database.engine.connect()))
    await suspended.start()
    await suspended.execution_options(isolation_level="READ COMMITTED")
    await in_flight.lock(suspended, message_id)
    async with asyncio.timeout(30):
        assert await locked_by_another()
    with pytest.raises(DBAPIError, match="idle-in-transaction"):
        await suspended.execute(select(1))
    await suspended.close()


async def test_a_message_that_does_not_exist_has_no_lock_and_no_terms(database: Database) -> None:
    async with database.writing() as connection:
        assert await in_flight.lock(connection, 4711) is None
        assert await in_flight.terms(connection, 4711) is None


async def test_lock_returns_the_current_message(world: World) -> None:
    message_id = await world.load(people(1, call))
    async with world.database.writing() as connection:
        message = await in_flight.lock(connection, message_id)
    assert message is not None
    assert (message.id, message.status, message.scheduled_at, message.is_recorded) == (
        message_id,
        MessageStatus.IN_PROGRESS,
        NOON,
        False,
    )
    assert message.locked_at.utcoffset() is not None


async def test_deliveries_are_found_exactly_by_their_keys(world: World) -> None:
    message_id = await world.load(people(3, call, text_to))
    other = await world.load(people(3, call, text_to), id="M-2")
    keys = [
        DeliveryKey(message_id, 0, 1),
        DeliveryKey(message_id, 2, 0),
        DeliveryKey(other, 1, 1),
        DeliveryKey(other, 9, 0),
    ]
    async with world.database.reading() as connection:
        found = await in_flight.by_key(connection, keys)
        assert await in_flight.by_key(connection, []) == []

    assert sorted(delivery.key for delivery in found) == keys[:3]


async def test_a_reference_belongs_to_one_provider(world: World) -> None:
    message_id = await world.load(people(2, call))
    async with world.database.writing() as connection:
        await connection.execute(
            update(DELIVERY)
            .where(DELIVERY.c.recipient_number == 1)
            .values(gateway="twilio", reference="SID")
        )
        by_id = in_flight.by_reference_and_address
        found = await by_id(connection, "twilio", ["SID", "none"], [])
        assert [(one.key, key) for one, key in found] == [((message_id, 1, 0), number_of(1))]
        assert await by_id(connection, "mailgun", ["SID"], [number_of(1)]) == []
        assert await by_id(connection, "twilio", [], [number_of(1)]) == []


async def test_open_outcomes_come_in_pages_in_the_order_of_the_list(world: World) -> None:
    message_id = await world.load(people(6, call))
    states = [
        (DeliveryStatus.IN_PROGRESS, "A"),
        (DeliveryStatus.DELIVERED, "B"),
        (DeliveryStatus.SENT, "C"),
        (DeliveryStatus.IN_PROGRESS, None),
        (DeliveryStatus.FAILED, "E"),
        (DeliveryStatus.IN_PROGRESS, "F"),
    ]
    async with world.database.writing() as connection:
        for person, (stands, reference) in enumerate(states):
            await connection.execute(
                update(DELIVERY)
                .where(DELIVERY.c.recipient_number == person)
                .values(status=stands, reference=reference)
            )
        first = await in_flight.open_with_provider(connection, message_id, after=None, most=2)
        rest = await in_flight.open_with_provider(
            connection, message_id, after=first[-1].key, most=2
        )

    assert [delivery.reference for delivery in (*first, *rest)] == ["A", "C", "F"]


@pytest.mark.parametrize(
    ("hours", "window"),
    [
        (None, None),
        (("08:00", "20:30"), CallWindow(time(8), time(20, 30), "America/Chicago")),
    ],
)
async def test_the_terms_of_a_message_are_those_of_its_district(
    world: World, hours: tuple[str, str] | None, window: CallWindow | None
) -> None:
    message_id = await world.load(people(1, call), call_window=hours)
    async with world.database.reading() as connection:
        assert await in_flight.terms(connection, message_id) == DeliveryTerms("plainview", window)


async def test_content_has_the_names_of_sender_and_district(world: World) -> None:
    message_id = await world.load(people(1, call))
    async with world.database.reading() as connection:
        assert await in_flight.content(connection, message_id) == LiveContent(
            subject="Student Behavior",
            body="Your student was sent to the office.",
            body_format=BodyFormat.PLAIN,
            text_body=None,
            voice_script=None,
            reply_to=None,
            sender_name="Administrator, System",
            district_name="Plainview Schools",
        )
