"""Find due work from the rows alone. A job is only a hint; a lost job is found again here."""

from collections.abc import Callable
from typing import Final, NamedTuple

from db.dispatch import changes, due, in_flight, provider_rate
from delivery.dispatch.handover import hand_over
from delivery.dispatch.provider_rate import held_gateways
from delivery.dispatch.runtime import Runtime
from delivery.dispatch.transitions import cancel_delivery
from domain.status import MessageStatus

MOST: Final = 500
"""Most messages that one round starts; the next round starts the others."""


class Job(NamedTuple):
    """A hint: this chunk may have deliveries to hand over, or to cancel if its message is canceled."""

    message_id: int
    chunk: int


async def start_due(runtime: Runtime) -> int:
    """Start the messages whose scheduled time has come. Return how many."""
    now = runtime.clock()
    async with runtime.database.reading() as connection:
        waiting = await due.to_begin(connection, now=now, most=MOST)
    started = 0
    for message_id in waiting:
        async with runtime.database.writing() as connection:
            message = await in_flight.lock(connection, message_id)
            if message is not None and message.status is MessageStatus.WAITING:
                await changes.settle(connection, message, now=now, status=MessageStatus.IN_PROGRESS)
                started += 1
    return started


async def find_jobs(runtime: Runtime) -> list[Job]:
    """Return the chunks with deliveries to hand over now or to cancel. Overdue messages are marked first.

    Ordered by chunk, so messages take turns: a small one does not wait for the last chunk of a large one. Deliveries of a
    provider on hold make no job until the hold ends.
    """
    await _mark_overdue(runtime)
    now = runtime.clock()
    async with runtime.database.reading() as connection:
        waiting = await due.waiting(connection)
        canceled = await due.being_stopped(connection)
        waits = await provider_rate.waits(connection)
    jobs: list[Job] = []
    for message_id in canceled:
        async with runtime.database.reading() as connection:
            chunks = await due.pending_chunks(connection, message_id)
        jobs += [Job(message_id, chunk) for chunk in chunks]
    for message_id, terms, modes in waiting:
        usable = runtime.usable(terms)
        held = held_gateways(usable.values(), waits)
        if ready := frozenset(mode for mode in modes & usable.keys() if usable[mode] not in held):
            async with runtime.database.reading() as connection:
                chunks = await due.chunks_due(connection, message_id, modes=ready, now=now)
            jobs += [Job(message_id, chunk) for chunk in chunks]
    return sorted(jobs, key=lambda job: (job.chunk, job.message_id))


async def run_job(
    runtime: Runtime, job: Job, *, is_over: Callable[[], bool] = lambda: False
) -> int:
    """Hand over or cancel what the rows of a chunk show. Return the number of deliveries. Idempotent.

    `is_over` is passed to `hand_over`.
    """
    async with runtime.database.reading() as connection:
        is_canceled = await in_flight.status(connection, job.message_id) in changes.CANCELED
    return await (stop(runtime, job) if is_canceled else hand_over(runtime, *job, is_over=is_over))


async def stop(runtime: Runtime, job: Job) -> int:
    """Mark the pending deliveries of a chunk as canceled. Return how many.

    The message itself was canceled before, by one row.
    """
    now = runtime.clock()
    async with runtime.database.writing() as connection:
        message = await in_flight.lock(connection, job.message_id)
        if message is None or message.status not in changes.CANCELED:
            return 0
        pending = await due.pending(connection, *job)
        moves = [cancel_delivery(delivery, now=now) for delivery in pending]
        await changes.write(connection, message, moves, now=now)
    return len(moves)


async def _mark_overdue(runtime: Runtime) -> None:
    """Set each message to ERROR whose providers did not report within their time limit."""
    now = runtime.clock()
    async with runtime.database.reading() as connection:
        message_ids = await due.newly_overdue(connection, now=now)
    for message_id in message_ids:
        async with runtime.database.writing() as connection:
            message = await in_flight.lock(connection, message_id)
            if message is not None and message.status is MessageStatus.IN_PROGRESS:
                await changes.settle(connection, message, now=now)
