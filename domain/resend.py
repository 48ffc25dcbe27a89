"""The rule for resending the failed deliveries of a message. `delivery.dispatch.resend` resends them."""

from typing import Final

from domain.status import MESSAGE_STATUS_LABELS, MessageStatus

RESENDABLE: Final = frozenset({MessageStatus.IN_PROGRESS, MessageStatus.SENT, MessageStatus.ERROR})


def resend_refusal(
    status: MessageStatus, *, is_recorded: bool, is_purged: bool = False
) -> str | None:
    """Return why a message cannot be resent, as a text for the viewer; None if it can."""
    if is_purged:
        return (
            "The recipients of this message were removed, because their retention period is over."
        )
    if is_recorded:
        return "This message was sent by another system, and can only be sent again there."
    if status in RESENDABLE:
        return None
    if status is MessageStatus.WAITING:
        return "This message has not been sent yet, so nothing of it has failed."
    label = MESSAGE_STATUS_LABELS[status]
    return f"This message was canceled (status: {label}). Send a new one instead."
