"""When a message can be stopped. What stopping does to its deliveries is in `db` and `delivery`."""

from typing import Final

from domain.status import MessageStatus

CANCELABLE: Final = frozenset({MessageStatus.WAITING, MessageStatus.IN_PROGRESS})


def may_cancel(status: MessageStatus) -> bool:
    """Whether a message at `status` can be canceled."""
    return status in CANCELABLE
