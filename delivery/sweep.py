"""Finds what there is to do from the rows alone: a job is only a hint, and a lost one is found again here."""

from typing import Final, NamedTuple

from db import changes, live
from db.changes import Change
from db.engine import reading, writing
from delivery.hands import Bench
from domain.status import DeliveryStatus, EventSource, MessageStatus

MOST: Final = 500
"""Messages that begin in one sweep; the next one takes the others."""

CANCELED: Final = frozenset({MessageStatus.CANCELED, MessageStatus.CANCELED_IN_PROGRESS})


class Job(NamedTuple):
    """A hint: there may be something to hand over in this chunk."""

    message_id: int
    chunk: int


async def begin_due(bench: Bench) -> int:
    """Begin the messages whose time has come; how many that were."""
    now = bench.clock()
    async with reading(bench.engine) as connection:
        waiting = await live.to_begin(connection, now=now, most=MOST)
    begun = 0
    for message_id in waiting:
        async with writing(bench.engine) as connection:
            message = await live.lock(connection, message_id)
            if message is not None and message.status is MessageStatus.WAITING:
                await changes.settle(connection, message, now=now, status=MessageStatus.IN_PROGRESS)
                begun += 1
    return begun


async def find_jobs(bench: Bench) -> list[Job]:
    """The chunks in which something may be handed over now. On the way, canceled messages are stopped and overdue ones marked."""
    now = bench.clock()
    async with reading(bench.engine) as connection:
        under_way = await live.under_way(connection)
    jobs: list[Job] = []
    for message_id, status in under_way:
        if status in CANCELED:
            await stop_rows(bench, message_id)
            continue
        await _mark_overdue(bench, message_id)
        async with reading(bench.engine) as connection:
            chunks = await live.chunks_with_pending(connection, message_id, now=now)
        jobs.extend(Job(message_id, chunk) for chunk in chunks)
    return jobs


async def stop_rows(bench: Bench, message_id: int) -> None:
    """Mark what a cancellation stopped, a chunk at a time: the message itself was stopped before, by one row."""
    async with reading(bench.engine) as connection:
        chunks = await live.pending_chunks(connection, message_id)
    for chunk in chunks:
        now = bench.clock()
        async with writing(bench.engine) as connection:
            message = await live.lock(connection, message_id)
            if message is None or message.status not in CANCELED:
                return
            stopped = [
                Change(
                    delivery,
                    delivery._replace(
                        status=DeliveryStatus.CANCELED,
                        at=now,
                        claim=None,
                        lease_until=None,
                        due_at=None,
                    ),
                    EventSource.CANCEL,
                    now,
                )
                for delivery in await live.pending_of_chunk(connection, message_id, chunk)
            ]
            await changes.write(connection, message, stopped, now=now)


async def _mark_overdue(bench: Bench, message_id: int) -> None:
    """Make an ERROR of a message whose providers have had their time."""
    now = bench.clock()
    async with reading(bench.engine) as connection:
        if not await live.is_newly_overdue(connection, message_id, now=now):
            return
    async with writing(bench.engine) as connection:
        message = await live.lock(connection, message_id)
        if message is not None and message.status is MessageStatus.IN_PROGRESS:
            await changes.settle(connection, message, now=now)
