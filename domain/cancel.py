"""The rule for which messages can be canceled. `db.dispatch.cancel` cancels them."""

from typing import Final

from domain.status import MessageStatus

CANCELABLE: Final = frozenset({MessageStatus.WAITING, MessageStatus.IN_PROGRESS})


def may_cancel(status: MessageStatus) -> bool:
    """Return whether a message with `status` can be canceled."""
    return status in CANCELABLE
