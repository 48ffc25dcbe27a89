"""Finds what there is to do from the rows alone: a job is only a hint, and a lost one is found again here."""

from typing import Final, NamedTuple

from db import agenda, changes, live
from db.engine import reading, writing
from delivery.hands import Bench
from delivery.outcomes import stopped
from domain.status import MessageStatus

MOST: Final = 500
"""Messages that begin in one sweep; the next one takes the others."""


class Job(NamedTuple):
    """A hint: there may be something to hand over in this chunk."""

    message_id: int
    chunk: int


async def begin_due(bench: Bench) -> int:
    """Begin the messages whose time has come; how many that were."""
    now = bench.clock()
    async with reading(bench.engine) as connection:
        waiting = await agenda.to_begin(connection, now=now, most=MOST)
    begun = 0
    for message_id in waiting:
        async with writing(bench.engine) as connection:
            message = await live.lock(connection, message_id)
            if message is not None and message.status is MessageStatus.WAITING:
                await changes.settle(connection, message, now=now, status=MessageStatus.IN_PROGRESS)
                begun += 1
    return begun


async def find_jobs(bench: Bench) -> list[Job]:
    """The chunks in which something may be handed over now. On the way, canceled messages are stopped and overdue ones marked.

    All messages take turns: a small one does not wait for the last chunk of a large one.
    """
    await _stop_canceled(bench)
    await _mark_overdue(bench)
    now = bench.clock()
    async with reading(bench.engine) as connection:
        waiting = await agenda.waiting(connection)
    jobs: list[Job] = []
    for message_id, terms, modes in waiting:
        if modes := modes & bench.usable(terms).keys():
            async with reading(bench.engine) as connection:
                chunks = await agenda.chunks_due(connection, message_id, modes=modes, now=now)
            jobs += [Job(message_id, chunk) for chunk in chunks]
    return sorted(jobs, key=lambda job: (job.chunk, job.message_id))


async def stop_rows(bench: Bench, message_id: int) -> None:
    """Mark what a cancellation stopped, a chunk at a time: the message itself was stopped before, by one row."""
    async with reading(bench.engine) as connection:
        chunks = await agenda.pending_chunks(connection, message_id)
    for chunk in chunks:
        now = bench.clock()
        async with writing(bench.engine) as connection:
            message = await live.lock(connection, message_id)
            if message is None or message.status not in changes.CANCELED:
                return
            moves = [
                stopped(delivery, now=now)
                for delivery in await agenda.pending(connection, message_id, chunk)
            ]
            await changes.write(connection, message, moves, now=now)


async def _stop_canceled(bench: Bench) -> None:
    async with reading(bench.engine) as connection:
        message_ids = await agenda.being_stopped(connection)
    for message_id in message_ids:
        await stop_rows(bench, message_id)


async def _mark_overdue(bench: Bench) -> None:
    """Make an ERROR of each message whose providers have had their time."""
    now = bench.clock()
    async with reading(bench.engine) as connection:
        message_ids = await agenda.newly_overdue(connection, now=now)
    for message_id in message_ids:
        async with writing(bench.engine) as connection:
            message = await live.lock(connection, message_id)
            if message is not None and message.status is MessageStatus.IN_PROGRESS:
                await changes.settle(connection, message, now=now)
