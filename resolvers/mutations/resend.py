"""`resendFailed`: resends the failed deliveries of a message."""

from typing import NamedTuple

import strawberry

from db.audit.entries import Action
from db.log.messages import MessageRecord
from delivery.dispatch.resend import resend
from domain.ids import Kind, spell
from domain.resend import resend_refusal
from domain.status import DeliveryMode
from domain.viewer import Right
from resolvers import messages
from resolvers.mutations.refusals import NO_MESSAGE, NotFound
from resolvers.request import enums
from resolvers.request.context import Info

assert enums  # makes the enumeration that the input below names


@strawberry.input
class ResendFailedInput:
    """The message, and the modes to resend."""

    message_id: strawberry.ID
    modes: list[DeliveryMode] | None = strawberry.field(
        default=None, description="Only these; left out: every mode."
    )


class ResendFailedSuccess(NamedTuple):
    """The failed deliveries are pending again."""

    resent_message: MessageRecord
    resent_deliveries: int


class NothingToResend(NamedTuple):
    """Nothing was changed: the message has no failed delivery that can be resent."""

    message: str


async def resend_failed(
    info: Info, *, input: ResendFailedInput
) -> ResendFailedSuccess | NotFound | NothingToResend:
    """Resend failed deliveries, each at most once per failure. Raises `Forbidden`."""
    context = info.context
    context.viewer.require(Right.CANCEL_MESSAGES)
    message = await messages.by_id(info, input.message_id)
    if message is None:
        return NO_MESSAGE
    problem = resend_refusal(
        message.status,
        is_recorded=message.is_recorded,
        is_purged=message.purged_at is not None,
    )
    if problem is not None:
        return NothingToResend(problem)
    modes = frozenset(DeliveryMode if input.modes is None else input.modes)
    await context.audit.load((Action.RESEND_FAILED, spell(Kind.MESSAGE, message.id)))
    resent = await resend(
        context.process_services.runtime,
        message.id,
        modes=modes,
        announce=context.process_services.announce,
    )
    if not resent:
        return NothingToResend(_nothing_failed(modes))
    return ResendFailedSuccess(await messages.reload(info, message), resent)


def _nothing_failed(modes: frozenset[DeliveryMode]) -> str:
    if modes == frozenset(DeliveryMode):
        return "No delivery of this message has failed, or what failed is being sent again already."
    named = ", ".join(mode for mode in DeliveryMode if mode in modes) or "no mode at all"
    return f"No delivery of this message by {named} has failed, or what failed is being sent again already."
