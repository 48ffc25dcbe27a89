"""Which messages can be canceled."""

from domain.cancel import may_cancel
from domain.status import MessageStatus


def test_only_waiting_and_running_messages_can_be_canceled() -> None:
    assert {status for status in MessageStatus if may_cancel(status)} == {
        MessageStatus.WAITING,
        MessageStatus.IN_PROGRESS,
    }
