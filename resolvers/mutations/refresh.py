"""`refreshMessage`: asks the providers for the open outcomes of a message."""

import asyncio
from datetime import datetime
from typing import Final, NamedTuple

import strawberry

from db.audit import entries
from db.audit.entries import Action
from db.dispatch.receipts.refresh import Turn, last_turn, take_turn
from db.log.messages import MessageRecord
from delivery.receipts.refresh import RefreshProgress, refresh
from domain.ids import Kind, spell
from domain.refresh import throttled_until
from resolvers import messages
from resolvers.mutations.refusals import NO_MESSAGE, NotFound
from resolvers.request.context import Context, Info

PATIENCE: Final = 0.7
"""Seconds for which the response waits for providers, so that it takes less than a second. A longer refresh continues in the
background; `messageChanged` reports its progress."""


@strawberry.input
class RefreshMessageInput:
    """The message to refresh."""

    message_id: strawberry.ID


class RefreshMessageSuccess(NamedTuple):
    """The message now; `throttled_until` is set if a recent refresh made another one unnecessary."""

    refreshed_message: MessageRecord
    changed_deliveries: int
    refreshed_at: datetime
    throttled_until: datetime | None


async def refresh_message(
    info: Info, *, input: RefreshMessageInput
) -> RefreshMessageSuccess | NotFound:
    """Ask the providers for every open outcome of a message, unless a refresh was done just now. Raises `Forbidden`."""
    context = info.context
    message = await messages.by_id(info, input.message_id)
    if message is None:
        return NO_MESSAGE
    turn = await _take_turn(context, message.id)
    progress = RefreshProgress()
    if turn.is_mine:
        await _ask(context, message.id, progress, taken_at=turn.asked_at)
    until = None if turn.is_mine else throttled_until(turn.asked_at, now=context.now)
    return RefreshMessageSuccess(
        await messages.reload(info, message), progress.changed, turn.asked_at, until
    )


async def _take_turn(context: Context, message_id: int) -> Turn:
    """Try to take the turn to refresh. While another refresh runs, this is one read and does not wait for its writes."""
    async with context.database.reading() as connection:
        asked_at = await last_turn(connection, message_id)
    if asked_at is not None and throttled_until(asked_at, now=context.now) is not None:
        return Turn(asked_at, False)
    async with context.database.writing() as connection:
        turn = await take_turn(connection, message_id, now=context.now)
        if turn.is_mine:
            act = context.entry(Action.REFRESH_MESSAGE, spell(Kind.MESSAGE, message_id))
            await entries.write(connection, [act])
    return turn


async def _ask(
    context: Context, message_id: int, progress: RefreshProgress, *, taken_at: datetime
) -> None:
    """Wait for the providers up to `PATIENCE`; raises an error of the refresh within that time."""
    runtime, background_tasks = (
        context.process_services.runtime,
        context.process_services.background_tasks,
    )
    asking = background_tasks.start(
        refresh(runtime, message_id, progress, taken_at=taken_at),
        message_id=spell(Kind.MESSAGE, message_id),
    )
    patience = asyncio.ensure_future(runtime.sleep(PATIENCE))
    try:
        await asyncio.wait([asking, patience], return_when=asyncio.FIRST_COMPLETED)
    finally:
        patience.cancel()
    if asking.done():
        asking.result()
