"""All due work is found, and finished work is not found again."""

from datetime import time, timedelta

from sqlalchemy import update

from db.dispatch import due
from db.dispatch.cancel import cancel
from db.dispatch.due import WaitingMessage
from db.dispatch.in_flight import DeliveryTerms
from db.tables.log import DELIVERY, MESSAGE
from delivery.gateways.base import Accepted
from domain.call_window import CallWindow
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from tests import log
from tests.delivery.world import FakeGateway, World, call, mail, people
from tests.log import NOON

SOON = NOON + timedelta(minutes=1)


async def test_messages_begin_in_the_order_of_their_times(world: World) -> None:
    ids = [
        await world.load(
            people(1, call),
            id=f"M-{minutes}",
            scheduled_at=NOON + timedelta(minutes=minutes),
        )
        for minutes in (3, 1, 2, 9)
    ]
    await log.load(
        world.database,
        log.message("H-1", school=None, status=MessageStatus.WAITING, scheduled_at=SOON),
    )
    async with world.database.reading() as connection:
        now = NOON + timedelta(minutes=3)
        assert await due.to_begin(connection, now=now, most=9) == [ids[1], ids[2], ids[0]]
        assert await due.to_begin(connection, now=now, most=1) == [ids[1]]
        assert await due.to_begin(connection, now=NOON, most=9) == []


async def test_a_waiting_message_has_the_modes_with_pending_deliveries(world: World) -> None:
    first = await world.load(people(1, call, mail), call_window=("08:00", "20:00"))
    second = await world.load(people(1, call), id="M-2", call_window=("08:00", "20:00"))
    terms = DeliveryTerms("plainview", CallWindow(time(8), time(20), "America/Chicago"))
    both = frozenset({DeliveryMode.VOICE, DeliveryMode.EMAIL})
    async with world.database.reading() as connection:
        assert await due.waiting(connection) == [
            WaitingMessage(first, terms, both),
            WaitingMessage(second, terms, frozenset({DeliveryMode.VOICE})),
        ]

    await world.work({DeliveryMode.VOICE: FakeGateway()})

    async with world.database.reading() as connection:
        assert await due.waiting(connection) == [
            WaitingMessage(first, terms, frozenset({DeliveryMode.EMAIL}))
        ]


async def test_new_canceled_and_recorded_messages_do_not_wait(world: World) -> None:
    await world.load(people(1, call), id="later", scheduled_at=SOON)
    stopped = await world.load(people(1, call), id="stopped")
    voice = log.voice(status=DeliveryStatus.PENDING)
    await log.load(
        world.database,
        log.message(
            "history", [log.recipient("p", voice)], school=None, status=MessageStatus.IN_PROGRESS
        ),
    )
    async with world.database.writing() as connection:
        await cancel(
            connection,
            stopped,
            database=world.database,
            by_id=None,
            by_name=None,
            reason=None,
            now=NOON,
        )
        assert await due.waiting(connection) == []
        assert await due.being_stopped(connection) == [stopped]


async def test_a_message_is_newly_overdue_from_its_deadline_until_it_is_marked(
    world: World,
) -> None:
    message_id = await world.load(people(1, call))
    async with world.database.writing() as connection:
        await connection.execute(update(MESSAGE).values(overdue_at=SOON))
        before = SOON - timedelta(microseconds=1)
        assert await due.newly_overdue(connection, now=before) == []
        assert await due.newly_overdue(connection, now=SOON) == [message_id]
        await connection.execute(update(MESSAGE).values(status=MessageStatus.ERROR))
        assert await due.newly_overdue(connection, now=SOON) == []


async def test_chunks_with_pending_deliveries_are_found(world: World) -> None:
    message_id = await world.load(people(2600, call))
    voice = {DeliveryMode.VOICE}
    async with world.database.writing() as connection:
        assert await due.chunks_due(connection, message_id, modes=voice, now=NOON) == [
            0,
            1,
            2,
            3,
            4,
            5,
        ]
        await connection.execute(
            update(DELIVERY)
            .where(DELIVERY.c.chunk.in_([0, 3]))
            .values(status=DeliveryStatus.IN_PROGRESS)
        )
        await connection.execute(
            update(DELIVERY).where(DELIVERY.c.chunk == 5).values(status=DeliveryStatus.DELIVERED)
        )
        # One pending row is enough for a chunk; a row that is not due can still be canceled.
        await connection.execute(
            update(DELIVERY)
            .where(DELIVERY.c.recipient_number == 1999)
            .values(status=DeliveryStatus.PENDING)
        )
        await connection.execute(update(DELIVERY).where(DELIVERY.c.chunk == 4).values(due_at=SOON))
        assert await due.chunks_due(connection, message_id, modes=voice, now=NOON) == [1, 2, 3]
        assert await due.pending_chunks(connection, message_id) == [1, 2, 3, 4]
        assert [d.recipient_number for d in await due.pending(connection, message_id, 3)] == [1999]
        assert await due.chunks_due(connection, message_id, modes=(), now=NOON) == []
        assert await due.chunks_due(connection, 4711, modes=voice, now=NOON) == []


async def test_a_cancellation_is_due_work_until_the_last_outcome(world: World) -> None:
    world.use(FakeGateway(answer=lambda _: Accepted("R", DeliveryStatus.DELIVERED, 5)))
    message_id = await world.load(people(2, call))
    async with world.database.writing() as connection:
        await cancel(
            connection,
            message_id,
            database=world.database,
            by_id=None,
            by_name=None,
            reason=None,
            now=NOON,
        )
        assert await due.being_stopped(connection) == [message_id]

    await world.work()

    async with world.database.reading() as connection:
        assert await due.being_stopped(connection) == []
