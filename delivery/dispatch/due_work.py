"""Finds what there is to do from the rows alone: a job is only a hint, and a lost one is found again here."""

from collections.abc import Callable
from typing import Final, NamedTuple

from db.connect.engine import reading, writing
from db.dispatch import changes, due, in_flight, provider_rate
from delivery.dispatch.handover import hand_over
from delivery.dispatch.provider_rate import of_held
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.transitions import stopped
from domain.status import MessageStatus

MOST: Final = 500
"""Messages that begin in one sweep; the next one takes the others."""


class Job(NamedTuple):
    """A hint: there may be something to hand over in this chunk, or, of a canceled message, to stop."""

    message_id: int
    chunk: int


async def begin_due(runtime: Runtime) -> int:
    """Begin the messages whose time has come; how many that were."""
    now = runtime.clock()
    async with reading(runtime.engine) as connection:
        waiting = await due.to_begin(connection, now=now, most=MOST)
    begun = 0
    for message_id in waiting:
        async with writing(runtime.engine) as connection:
            message = await in_flight.lock(connection, message_id)
            if message is not None and message.status is MessageStatus.WAITING:
                await changes.settle(connection, message, now=now, status=MessageStatus.IN_PROGRESS)
                begun += 1
    return begun


async def find_jobs(runtime: Runtime) -> list[Job]:
    """The chunks in which something may be handed over now, or is to be stopped. On the way, overdue messages are marked.

    All messages take turns: a small one does not wait for the last chunk of a large one. What goes through a provider that
    is held is no job before that ends.
    """
    await _mark_overdue(runtime)
    now = runtime.clock()
    async with reading(runtime.engine) as connection:
        waiting = await due.waiting(connection)
        being_stopped = await due.being_stopped(connection)
        waits = await provider_rate.waits(connection)
    jobs: list[Job] = []
    for message_id in being_stopped:
        async with reading(runtime.engine) as connection:
            chunks = await due.pending_chunks(connection, message_id)
        jobs += [Job(message_id, chunk) for chunk in chunks]
    for message_id, terms, modes in waiting:
        usable = runtime.usable(terms)
        held = of_held(usable.values(), waits)
        if ready := frozenset(mode for mode in modes & usable.keys() if usable[mode] not in held):
            async with reading(runtime.engine) as connection:
                chunks = await due.chunks_due(connection, message_id, modes=ready, now=now)
            jobs += [Job(message_id, chunk) for chunk in chunks]
    return sorted(jobs, key=lambda job: (job.chunk, job.message_id))


async def do(runtime: Runtime, job: Job, *, is_over: Callable[[], bool] = lambda: False) -> int:
    """Do what the rows say of a chunk, and for how many deliveries that was. Doing it twice does nothing the second time.

    `is_over` is asked as by `hand_over`.
    """
    async with reading(runtime.engine) as connection:
        is_canceled = await in_flight.status(connection, job.message_id) in changes.CANCELED
    return await (stop(runtime, job) if is_canceled else hand_over(runtime, *job, is_over=is_over))


async def stop(runtime: Runtime, job: Job) -> int:
    """Mark what a cancellation stopped of a chunk, and how much that was: the message was stopped before, by one row."""
    now = runtime.clock()
    async with writing(runtime.engine) as connection:
        message = await in_flight.lock(connection, job.message_id)
        if message is None or message.status not in changes.CANCELED:
            return 0
        pending = await due.pending(connection, *job)
        moves = [stopped(delivery, now=now) for delivery in pending]
        await changes.write(connection, message, moves, now=now)
    return len(moves)


async def _mark_overdue(runtime: Runtime) -> None:
    """Make an ERROR of each message whose providers have had their time."""
    now = runtime.clock()
    async with reading(runtime.engine) as connection:
        message_ids = await due.newly_overdue(connection, now=now)
    for message_id in message_ids:
        async with writing(runtime.engine) as connection:
            message = await in_flight.lock(connection, message_id)
            if message is not None and message.status is MessageStatus.IN_PROGRESS:
                await changes.settle(connection, message, now=now)
