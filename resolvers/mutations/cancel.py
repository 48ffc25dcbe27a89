"""`cancelMessage`: stops all deliveries of a message that have not been handed over."""

from typing import Final, NamedTuple

import strawberry

from db.audit import entries
from db.audit.entries import Action
from db.dispatch.cancel import NotCancelable, cancel
from db.log.messages import MessageRecord
from domain.errors import BadUserInput
from domain.ids import Kind, spell
from domain.status import MESSAGE_STATUS_LABELS, MessageStatus
from domain.viewer import Right
from resolvers import messages
from resolvers.mutations.refusals import NO_MESSAGE, NotFound
from resolvers.request.arguments import require_storable
from resolvers.request.context import Info

LONGEST_REASON: Final = 1_000
"""Characters; the reason is printed in the report's summary."""


@strawberry.input
class CancelMessageInput:
    """The message to cancel, and the reason."""

    message_id: strawberry.ID
    reason: str | None = None


class CancelMessageSuccess(NamedTuple):
    """The message is canceled."""

    canceled_message: MessageRecord
    is_new: bool


class MessageNotCancelable(NamedTuple):
    """Nothing was changed: the message can no longer be canceled."""

    message: str
    status: MessageStatus


async def cancel_message(
    info: Info, *, input: CancelMessageInput
) -> CancelMessageSuccess | NotFound | MessageNotCancelable:
    """Cancel a message by changing one row, whatever the number of deliveries. Raises `BadUserInput` and `Forbidden`."""
    context, viewer = info.context, info.context.viewer
    viewer.require(Right.CANCEL_MESSAGES)
    reason = _reason(input.reason)
    message = await messages.by_id(info, input.message_id)
    if message is None:
        return NO_MESSAGE
    async with context.database.writing() as connection:
        outcome = await cancel(
            connection,
            message.id,
            database=context.database,
            by_id=viewer.id,
            by_name=viewer.name,
            reason=reason,
            now=context.now,
        )
        if outcome is None:
            return NO_MESSAGE
        if isinstance(outcome, NotCancelable):
            return _not_cancelable(outcome.status)
        if outcome.is_new:
            act = context.entry(Action.CANCEL_MESSAGE, spell(Kind.MESSAGE, message.id))
            await entries.write(connection, [act])
            await context.process_services.announce(connection)
    canceled = await messages.reload(info, message)
    return CancelMessageSuccess(canceled, outcome.is_new)


def _reason(visible_text: str | None) -> str | None:
    reason = require_storable(visible_text or "", argument="input.reason").strip()
    if len(reason) > LONGEST_REASON:
        raise BadUserInput(
            f"input.reason has {len(reason)} characters. Give the reason in at most {LONGEST_REASON}."
        )
    return reason or None


def _not_cancelable(status: MessageStatus) -> MessageNotCancelable:
    label = MESSAGE_STATUS_LABELS[status]
    return MessageNotCancelable(
        f"This message is {label}. Only one that is Waiting or In-Progress can be canceled.",
        status,
    )
