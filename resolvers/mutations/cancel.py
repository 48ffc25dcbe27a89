"""`cancelMessage`: stops all deliveries of a message that have not been handed over."""

from typing import Final, NamedTuple

import strawberry

from db.audit import entries
from db.audit.entries import Action
from db.dispatch.cancel import CanceledMessage, NotCancelable, cancel
from db.log.messages import MessageRecord
from domain.errors import BadUserInput
from domain.ids import Kind, spell
from domain.status import MESSAGE_STATUS_LABELS, MessageStatus
from domain.viewer import Right
from resolvers import messages
from resolvers.mutations.refusals import NO_MESSAGE, NotFound
from resolvers.request.arguments import require_storable
from resolvers.request.context import Context, Info

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
    info.context.viewer.require(Right.CANCEL_MESSAGES)
    reason = reason_of(input.reason)
    message = await messages.by_id(info, input.message_id)
    if message is None:
        return NO_MESSAGE
    outcome = await cancel_by_viewer(info.context, message.id, reason=reason)
    if outcome is None:
        return NO_MESSAGE
    if isinstance(outcome, NotCancelable):
        return not_cancelable(outcome.status)
    canceled = await messages.reload(info, message)
    return CancelMessageSuccess(canceled, outcome.is_new)


async def cancel_by_viewer(
    context: Context, message_id: int, *, reason: str | None
) -> CanceledMessage | NotCancelable | None:
    """Cancel a visible message in a transaction of its own, with its audit entry; None if it does not exist any more."""
    viewer = context.viewer
    async with context.database.writing() as connection:
        outcome = await cancel(
            connection,
            message_id,
            database=context.database,
            by_id=viewer.id,
            by_name=viewer.name,
            reason=reason,
            now=context.now,
        )
        if isinstance(outcome, CanceledMessage) and outcome.is_new:
            act = context.entry(Action.CANCEL_MESSAGE, spell(Kind.MESSAGE, message_id))
            await entries.write(connection, [act])
            await context.process_services.announce(connection)
    return outcome


def reason_of(visible_text: str | None) -> str | None:
    """The reason as it is stored. Raises `BadUserInput`."""
    reason = require_storable(visible_text or "", argument="input.reason").strip()
    if len(reason) > LONGEST_REASON:
        raise BadUserInput(
            f"input.reason has {len(reason)} characters. Give the reason in at most {LONGEST_REASON}."
        )
    return reason or None


def not_cancelable(status: MessageStatus) -> MessageNotCancelable:
    """The refusal for a message with this status."""
    label = MESSAGE_STATUS_LABELS[status]
    return MessageNotCancelable(
        f"This message is {label}. Only one that is Waiting or In-Progress can be canceled.",
        status,
    )
