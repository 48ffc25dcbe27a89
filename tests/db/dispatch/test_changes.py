"""A change of deliveries and everything that follows from it are one transaction."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from db.connect.database import Database
from db.dispatch import changes, in_flight
from db.dispatch.changes import Change, ReportedStatus
from db.dispatch.in_flight import LiveDelivery, LiveMessage
from domain.status import DeliveryStatus, EventSource, MessageStatus
from tests.delivery.world import Event, World, call, mail, people
from tests.log import NOON

LATER = NOON + timedelta(minutes=5)


@dataclass
class Writer:
    """Write changes of one message."""

    database: Database
    message_id: int

    async def __call__(self, *moves: Change, **more: Any) -> LiveMessage:
        async with self.database.writing() as connection:
            locked = await in_flight.lock(connection, self.message_id)
            assert locked is not None
            return await changes.write(connection, locked, moves, now=NOON, **more)


def move(delivery: LiveDelivery, *, event: bool = True, **to: Any) -> Change:
    """Return a change of a delivery to these values."""
    after = delivery._replace(**to)
    return Change(delivery, after, EventSource.CALLBACK, NOON if event else None)


def delivered(delivery: LiveDelivery, code: int = 5) -> Change:
    return move(
        delivery,
        status=DeliveryStatus.DELIVERED,
        call_status=code,
        at=LATER,
        first_at=NOON,
        attempts=1,
    )


async def test_a_change_is_written_with_everything_that_follows(world: World) -> None:
    message_id = await world.load([*people(2, call), *people(1, call)])
    rows = await world.deliveries(message_id)
    before = await world.message(message_id)

    after = await Writer(world.database, message_id)(delivered(rows[0]))

    found = await world.message(message_id)
    assert (found.revision, found.people_contacted) == (before.revision + 1, 1)
    assert (after.status, after.revision) == (found.status, found.revision)
    assert [row.status for row in await world.deliveries(message_id)] == [
        DeliveryStatus.DELIVERED,
        DeliveryStatus.PENDING,
        DeliveryStatus.DELIVERED,
    ]
    assert await world.events(rows[0].key) == [
        Event(DeliveryStatus.DELIVERED, 5, EventSource.CALLBACK, None)
    ]
    assert await world.events(rows[2].key) == [], "what happened, happened to the first"
    await world.recount()


async def test_a_transaction_that_fails_leaves_nothing_behind(world: World) -> None:
    message_id = await world.load(people(2, call))
    rows = await world.deliveries(message_id)
    before = await world.everything()

    async def die_before_the_commit() -> None:
        async with world.database.writing() as connection:
            locked = await in_flight.lock(connection, message_id)
            assert locked is not None
            await changes.write(connection, locked, [delivered(row) for row in rows], now=NOON)
            raise RuntimeError("the process died")

    with pytest.raises(RuntimeError, match="the process died"):
        await die_before_the_commit()
    assert await world.everything() == before


async def test_without_a_change_the_revision_stays(world: World) -> None:
    message_id = await world.load(people(1, call))
    row = await world.one(message_id)
    before = await world.everything()

    await Writer(world.database, message_id)()
    await Writer(world.database, message_id)(move(row, event=False))

    assert await world.everything() == before


async def test_a_claim_is_invisible_to_clients(world: World) -> None:
    message_id = await world.load(people(1, call))
    row = await world.one(message_id)
    before = (await world.message(message_id)).revision

    await Writer(world.database, message_id)(
        move(row, event=False, claim="token", lease_until=LATER)
    )

    assert (await world.one(message_id)).claim == "token"
    assert (await world.message(message_id)).revision == before


async def test_an_event_alone_is_a_revision_and_shows_the_report(world: World) -> None:
    message_id = await world.load(people(1, call))
    row = await world.one(message_id)
    before = (await world.message(message_id)).revision

    reported = ReportedStatus(DeliveryStatus.FAILED, 77)
    await Writer(world.database, message_id)(
        Change(row, row, EventSource.REFRESH, NOON, "odd", reported)
    )

    assert await world.one(message_id) == row
    assert await world.events(row.key) == [
        Event(DeliveryStatus.FAILED, 77, EventSource.REFRESH, "odd")
    ]
    assert (await world.message(message_id)).revision == before + 1


async def test_several_changes_of_one_delivery_count_once(world: World) -> None:
    message_id = await world.load(people(2, call))
    row = (await world.deliveries(message_id))[0]
    first = move(row, status=DeliveryStatus.IN_PROGRESS, call_status=17, first_at=NOON)
    second = move(first.after, status=DeliveryStatus.SENT, call_status=-27, at=NOON)
    third = move(second.after, status=DeliveryStatus.FAILED, call_status=-40, at=LATER)

    await Writer(world.database, message_id)(first, second, third)

    assert [event.call_status for event in await world.events(row.key)] == [17, -27, -40]
    assert (await world.message(message_id)).people_contacted == 0
    await world.recount()


async def test_different_changes_of_rows_are_written_together(world: World) -> None:
    message_id = await world.load(people(3, call, mail))
    rows = await world.deliveries(message_id)
    moves = [
        delivered(rows[0], 6),
        move(rows[1], status=DeliveryStatus.FAILED, at=NOON, first_at=NOON),
        move(rows[2], claim="t", lease_until=LATER, gateway="g", reference="r", attempts=3),
        move(rows[3], due_at=LATER),
        move(rows[4], confirmed=True, status=DeliveryStatus.DELIVERED, at=NOON, first_at=NOON),
    ]

    await Writer(world.database, message_id)(*moves)

    assert await world.deliveries(message_id) == [*(m.after for m in moves), rows[5]]
    await world.recount()


async def test_the_status_of_a_message_follows_from_its_deliveries(world: World) -> None:
    message_id = await world.load(people(2, call))
    write = Writer(world.database, message_id)
    rows = await world.deliveries(message_id)

    await write(delivered(rows[0]))
    assert await world.status(message_id) is MessageStatus.IN_PROGRESS
    await write(delivered(rows[1], 0))
    assert await world.status(message_id) is MessageStatus.SENT
    assert not (await world.message(message_id)).has_open


async def test_a_message_with_overdue_calls_is_an_error_until_they_are_reported(
    world: World,
) -> None:
    message_id = await world.load(people(2, call))
    write = Writer(world.database, message_id)
    rows = await world.deliveries(message_id)
    out = [move(row, status=DeliveryStatus.IN_PROGRESS, at=NOON, first_at=NOON) for row in rows]

    assert (await write(out[0], overdue_at=LATER)).status is MessageStatus.IN_PROGRESS
    assert (await write(out[1], overdue_at=NOON)).status is MessageStatus.ERROR
    assert (await write(delivered(out[0].after))).status is MessageStatus.ERROR
    assert (await write(delivered(out[1].after))).status is MessageStatus.SENT


async def test_the_last_outcome_of_a_mode_is_the_latest_of_its_rows_after_a_withdrawal_too(
    world: World,
) -> None:
    message_id = await world.load(people(2, call))
    write = Writer(world.database, message_id)
    rows = await world.deliveries(message_id)
    ends = "select ended_at from span"
    first = delivered(rows[0])
    second = move(
        rows[1],
        status=DeliveryStatus.FAILED,
        at=LATER + timedelta(hours=1),
        first_at=NOON,
        attempts=1,
    )

    await write(first, second)
    latest = await world.columns_of(ends)
    dated_back = move(second.after, status=DeliveryStatus.DELIVERED, at=NOON)
    await write(dated_back)

    assert len(latest) == 1
    assert await world.columns_of(ends) != latest
    await world.recount()


async def test_the_number_of_statements_does_not_depend_on_the_number_of_changes(
    world: World,
) -> None:
    message_id = await world.load(people(400, call))
    rows = await world.deliveries(message_id)
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    async def counted(some: list[LiveDelivery]) -> int:
        statements.clear()
        await Writer(world.database, message_id)(*(delivered(row) for row in some))
        return len(statements)

    event.listen(world.database.engine.sync_engine, "before_cursor_execute", note)
    few, many = await counted(rows[:2]), await counted(rows[2:])
    event.remove(world.database.engine.sync_engine, "before_cursor_execute", note)

    assert few == many <= 14
    await world.recount()


async def test_settle_applies_a_decision_to_a_message(world: World) -> None:
    message_id = await world.load(people(1), scheduled_at=LATER)
    async with world.database.writing() as connection:
        locked = await in_flight.lock(connection, message_id)
        assert locked is not None
        settled = await changes.settle(
            connection, locked, now=LATER, status=MessageStatus.IN_PROGRESS
        )

    assert (settled.status, settled.has_open) == (MessageStatus.SENT, False)
    assert await world.status(message_id) is MessageStatus.SENT
