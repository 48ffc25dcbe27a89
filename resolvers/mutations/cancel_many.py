"""`cancelMessages`: cancels up to 100 messages, each as `cancelMessage` does."""

from collections.abc import Sequence
from typing import Final

import strawberry
import structlog

from db.dispatch.cancel import CanceledMessage, NotCancelable
from domain.errors import BadUserInput
from domain.ids import Kind, key_of, spell
from domain.viewer import Right
from resolvers.mutations.cancel import (
    CancelMessageSuccess,
    MessageNotCancelable,
    cancel_by_viewer,
    not_cancelable,
    reason_of,
)
from resolvers.mutations.refusals import NO_MESSAGE, NotFound
from resolvers.request.context import Context, Info

MOST: Final = 100
"""Messages of one call."""

_Outcome = CanceledMessage | NotCancelable | None

_log = structlog.get_logger(__name__)


@strawberry.input
class CancelMessagesInput:
    """The messages to cancel, and the reason."""

    message_ids: list[strawberry.ID]
    reason: str | None = None


async def cancel_messages(
    info: Info, *, input: CancelMessagesInput
) -> list[CancelMessageSuccess | NotFound | MessageNotCancelable]:
    """Cancel each message in a transaction of its own. Raises `BadUserInput` and `Forbidden`.

    A fault, such as an error of the database, does not keep the others from being canceled. It is raised at the end, and a
    second call then finds the others canceled.
    """
    context = info.context
    context.viewer.require(Right.CANCEL_MESSAGES)
    context.viewer.require(Right.VIEW_LOG)
    if not 1 <= len(input.message_ids) <= MOST:
        raise BadUserInput(
            f"input.messageIds has {len(input.message_ids)} ids. Give 1 to {MOST} at once."
        )
    reason = reason_of(input.reason)
    keys = [key_of(Kind.MESSAGE, id) for id in input.message_ids]
    ids = list(dict.fromkeys(key[0] for key in keys if key is not None))
    found = await context.loaders.message.load_all(ids)
    visible = [message.id for message in found if message is not None]
    outcomes = await _cancel_each(context, visible, reason=reason)
    context.loaders.forget()
    canceled = dict(zip(visible, await context.loaders.message.load_all(visible), strict=True))
    results: list[CancelMessageSuccess | NotFound | MessageNotCancelable] = []
    for key in keys:
        outcome = None if key is None else outcomes.get(key[0])
        message = None if key is None else canceled.get(key[0])
        if isinstance(outcome, NotCancelable):
            results.append(not_cancelable(outcome.status))
        elif outcome is None or message is None:
            results.append(NO_MESSAGE)
        else:
            results.append(CancelMessageSuccess(message, outcome.is_new))
            # An id that is given twice has the same result, and only the first is new.
            outcomes[message.id] = CanceledMessage(is_new=False)
    return results


async def _cancel_each(
    context: Context, message_ids: Sequence[int], *, reason: str | None
) -> dict[int, _Outcome]:
    """Cancel the messages one after the other. Raises the first fault after all have been tried."""
    outcomes: dict[int, _Outcome] = {}
    fault: Exception | None = None
    for id in message_ids:
        try:
            outcomes[id] = await cancel_by_viewer(context, id, reason=reason)
        except Exception as error:
            _log.exception("a message could not be canceled", message_id=spell(Kind.MESSAGE, id))
            fault = fault or error
    if fault is not None:
        raise fault
    return outcomes
