"""Bulk writes store the same rows as single statements."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import select

from db.connect.database import Database
from db.sql.bulk_write import insert_rows, update_rows
from db.tables.log import DELIVERY, DELIVERY_EVENT, TALLY
from domain.status import DeliveryMode, DeliveryStatus, EventSource
from tests.delivery.world import World, call, people
from tests.log import NOON

KEYS = ("message_id", "recipient_number", "number")
EVENT = (*KEYS[:2], "delivery_number", "at", "status", "call_status", "source", "detail")
COUNTED = ("message_id", "mode", "status", "call_status", "is_duplicate", "deliveries")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", DeliveryStatus.FAILED),
        ("call_status", -33),
        ("call_status", None),
        ("confirmed", True),
        ("attempts", 7),
        ("at", NOON + timedelta(microseconds=123_456)),
        ("at", None),
        ("claim", "c" * 32),
        ("reference", "'\"\\ :x \u2028 \U0001f600 %s ?"),
        ("reference", None),
    ],
)
async def test_a_value_of_any_type_is_read_as_it_was_written(
    world: World, column: str, value: Any
) -> None:
    message_id = await world.load(people(3, call))
    async with world.database.writing() as connection:
        rows = [(value, message_id, person, 0) for person in (0, 2)]
        await update_rows(connection, DELIVERY, rows, keys=KEYS, columns=(column,))

    untouched = (await world.deliveries(message_id))[1]
    assert [getattr(row, column) for row in await world.deliveries(message_id)] == [
        value,
        getattr(untouched, column),
        value,
    ]


async def test_an_instant_of_another_zone_is_the_same_instant(world: World) -> None:
    message_id = await world.load(people(1, call))
    there = datetime(2020, 1, 31, 23, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    async with world.database.writing() as connection:
        await update_rows(
            connection, DELIVERY, [(there, message_id, 0, 0)], keys=KEYS, columns=("due_at",)
        )
        same = await connection.scalar(select(DELIVERY.c.due_at).where(DELIVERY.c.due_at == there))

    assert same == there


async def test_no_rows_are_no_statement(database: Database) -> None:
    async with database.writing() as connection:
        await insert_rows(connection, TALLY, [], columns=COUNTED)
        await update_rows(connection, DELIVERY, [], keys=KEYS, columns=("claim",))
    async with database.reading() as connection:
        assert (await connection.execute(select(TALLY))).all() == []


async def test_rows_are_numbered_in_the_order_in_which_they_were_given(world: World) -> None:
    message_id = await world.load(people(1, call))
    rows = [
        (message_id, 0, 0, NOON, DeliveryStatus.SENT, None, EventSource.CALLBACK, str(number))
        for number in range(700)
    ]
    async with world.database.writing() as connection:
        await insert_rows(connection, DELIVERY_EVENT, rows, columns=EVENT)
        found = await connection.scalars(
            select(DELIVERY_EVENT.c.detail).order_by(DELIVERY_EVENT.c.id)
        )

    assert list(found) == [str(number) for number in range(700)]


async def test_existing_rows_are_changed_by_the_on_conflict_clause(world: World) -> None:
    message_id = await world.load(people(3, call))
    other = (message_id, DeliveryMode.VOICE, DeliveryStatus.SENT, 5, False, 2)
    there = (message_id, DeliveryMode.VOICE, DeliveryStatus.PENDING, 32_767, False, -2)
    async with world.database.writing() as connection:
        await insert_rows(
            connection,
            TALLY,
            [other, there],
            columns=COUNTED,
            on_conflict=(
                "ON CONFLICT (message_id, mode, status, call_status, is_duplicate) "
                "DO UPDATE SET deliveries = tally.deliveries + excluded.deliveries"
            ),
        )
        found = await connection.execute(
            select(TALLY.c.status, TALLY.c.deliveries).order_by(TALLY.c.status)
        )
    assert [tuple(row) for row in found] == [
        (DeliveryStatus.PENDING, 1),
        (DeliveryStatus.SENT, 2),
    ]
