"""One row cancels a message, once and for good, however long its list is."""

import asyncio
import re
from typing import Any

import pytest
from sqlalchemy import event, update

from db.connect.database import Database
from db.dispatch.cancel import CanceledMessage, NotCancelable, cancel
from db.tables.log import MESSAGE
from delivery.gateways.base import Accepted, Handover, NotAccepted, Outcome, Refused, Unsure
from domain.status import DeliveryStatus, MessageStatus
from tests.delivery.world import FakeGateway, World, call, people
from tests.log import NOON


async def stop(
    database: Database, message_id: int, *, by: str | None = "u1", reason: str | None = "late bus"
) -> CanceledMessage | NotCancelable | None:
    async with database.writing() as connection:
        return await cancel(
            connection,
            message_id,
            database=database,
            by_id=by,
            by_name=by and "Admin",
            reason=reason,
            now=NOON,
        )


CANCELLATION = (
    "select requested_by_id, requested_by_name, reason, stopped, already_sent from cancellation"
)


async def test_a_cancellation_records_who_when_why_and_how_many(world: World) -> None:
    message_id = await world.load(people(3, call))
    await world.work(FakeGateway(answer=lambda _: NotAccepted("busy")))

    assert await stop(world.database, message_id) == CanceledMessage(is_new=True)

    assert await world.columns_of(CANCELLATION) == [("u1", "Admin", "late bus", 3, 0)]
    await world.recount()


async def test_the_system_itself_can_cancel(world: World) -> None:
    message_id = await world.load(people(1, call))

    await stop(world.database, message_id, by=None, reason=None)

    assert await world.columns_of(CANCELLATION) == [(None, None, None, 1, 0)]


@pytest.mark.parametrize(
    ("outcome", "stands"),
    [
        (Accepted("R", DeliveryStatus.IN_PROGRESS), MessageStatus.CANCELED_IN_PROGRESS),
        (Accepted("R", DeliveryStatus.DELIVERED, 5), MessageStatus.CANCELED_IN_PROGRESS),
        (Refused("no such number", code=-2), MessageStatus.CANCELED_IN_PROGRESS),
        (Unsure("no answer"), MessageStatus.CANCELED_IN_PROGRESS),
        (NotAccepted("busy"), MessageStatus.CANCELED),
        (Refused("stop", DeliveryStatus.OPTED_OUT, -33), MessageStatus.CANCELED),
    ],
    ids=["in flight", "delivered", "failed", "unsure", "not accepted", "opted out"],
)
async def test_the_status_depends_on_whether_anything_had_left(
    world: World, outcome: Outcome, stands: MessageStatus
) -> None:
    message_id = await world.load(people(2, call))

    def answer(handover: Handover) -> Outcome:
        return outcome if handover.key.endswith(".0.0") else NotAccepted("busy")

    await world.work(FakeGateway(answer=answer))

    await stop(world.database, message_id)

    assert await world.status(message_id) is stands
    await world.recount()


async def test_a_waiting_message_is_canceled(world: World) -> None:
    message_id = await world.load(people(2, call), scheduled_at=NOON.replace(hour=20))

    assert await stop(world.database, message_id) == CanceledMessage(is_new=True)
    assert await world.status(message_id) is MessageStatus.CANCELED


async def test_a_message_without_deliveries_is_canceled_completely(world: World) -> None:
    message_id = await world.load(people(2), scheduled_at=NOON.replace(hour=20))

    await stop(world.database, message_id)

    assert await world.columns_of(
        "select count(*) from cancellation where completed_at is not null"
    ) == [(1,)]
    await world.recount()


@pytest.mark.parametrize("stands", [MessageStatus.SENT, MessageStatus.ERROR])
async def test_an_ended_message_cannot_be_canceled_and_does_not_change(
    world: World, stands: MessageStatus
) -> None:
    message_id = await world.load(people(2, call))
    async with world.database.writing() as connection:
        await connection.execute(update(MESSAGE).values(status=stands))
    before = await world.everything()

    assert await stop(world.database, message_id) == NotCancelable(stands)
    assert await world.everything() == before


async def test_a_message_that_does_not_exist_is_not_canceled(database: Database) -> None:
    assert await stop(database, 4711) is None


async def test_a_second_cancel_by_anybody_changes_nothing(world: World) -> None:
    message_id = await world.load(people(2, call))
    await stop(world.database, message_id)
    before = await world.everything()

    assert await stop(world.database, message_id, by="u2", reason="other") == CanceledMessage(
        is_new=False
    )
    assert await world.everything() == before


async def test_twenty_concurrent_cancels_are_one_cancellation(world: World) -> None:
    message_id = await world.load(people(5, call))
    revision = (await world.columns_of("select revision from message"))[0][0]

    answers = await asyncio.gather(
        *(stop(world.database, message_id, by=f"u{number}") for number in range(20))
    )

    assert answers.count(CanceledMessage(is_new=True)) == 1
    assert answers.count(CanceledMessage(is_new=False)) == 19
    assert len(await world.columns_of(CANCELLATION)) == 1
    assert await world.columns_of("select revision from message") == [(revision + 1,)]
    await world.recount()


async def test_no_row_of_a_delivery_or_recipient_is_read_or_written(world: World) -> None:
    """So that a cancel is as fast for 800,000 deliveries as for one."""
    message_id = await world.load(people(5, call))
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(world.database.engine.sync_engine, "before_cursor_execute", note)
    await stop(world.database, message_id)
    event.remove(world.database.engine.sync_engine, "before_cursor_execute", note)

    assert 4 <= len(statements) <= 8
    words = {word for statement in statements for word in re.findall(r"\w+", statement.lower())}
    assert words & {"delivery", "delivery_event", "recipient"} == set()
    assert await world.statuses(message_id) == {"PENDING": 5}
