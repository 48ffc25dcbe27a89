"""A refresh of a message, for tests of delivery."""

import asyncio
from dataclasses import replace

from db.dispatch.receipts.refresh import take_turn
from delivery.dispatch.runtime import Runtime
from delivery.receipts.refresh import RefreshProgress, refresh


async def refresh_now(runtime: Runtime, message_id: int) -> int:
    """Poll the providers of a message. Return how many deliveries changed."""
    async with runtime.database.writing() as connection:
        turn = await take_turn(connection, message_id, now=runtime.clock())
    assert turn.is_mine

    async def forever(seconds: float) -> None:
        await asyncio.Event().wait()

    progress = RefreshProgress()
    asking = replace(runtime, sleep=forever)
    await refresh(asking, message_id, progress, taken_at=turn.asked_at)
    return progress.changed
