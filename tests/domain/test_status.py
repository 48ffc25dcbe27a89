"""Statuses change in one direction only, and the status of a message follows from its deliveries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.status import (
    MESSAGE_STATUS_LABELS,
    OPEN,
    STATUS_LABELS,
    TRANSITIONS,
    DeliveryStatus,
    MessageStatus,
    Standing,
    message_status,
    standing,
)

PENDING, IN_PROGRESS, SENT, DELIVERED, FAILED, CANCELED, OPTED_OUT = DeliveryStatus


@pytest.mark.parametrize(
    ("status", "followers"),
    [
        (PENDING, {IN_PROGRESS, CANCELED, OPTED_OUT}),
        (IN_PROGRESS, {SENT, DELIVERED, FAILED}),
        (SENT, {DELIVERED, FAILED}),
        (DELIVERED, set()),
        (FAILED, set()),
        (CANCELED, set()),
        (OPTED_OUT, set()),
    ],
)
def test_the_transitions_of_a_delivery(
    status: DeliveryStatus, followers: set[DeliveryStatus]
) -> None:
    assert TRANSITIONS[status] == followers


def test_no_transition_returns_to_an_earlier_status() -> None:
    reached = {status: set(TRANSITIONS[status]) for status in DeliveryStatus}
    for _ in DeliveryStatus:
        for status, after in reached.items():
            reached[status] = after.union(*(TRANSITIONS[later] for later in after))

    assert [status for status, after in reached.items() if status in after] == []


def test_open_statuses_are_pending_and_in_progress() -> None:
    assert {PENDING, IN_PROGRESS} == OPEN


def test_every_status_has_the_label_of_the_log() -> None:
    assert [STATUS_LABELS[status] for status in DeliveryStatus] == [
        "Pending",
        "In-Progress",
        "Sent",
        "Delivered",
        "Failed",
        "Canceled",
        "Opted Out",
    ]
    assert [MESSAGE_STATUS_LABELS[status] for status in MessageStatus] == [
        "Waiting",
        "In-Progress",
        "Sent",
        "Error",
        "Canceled",
        "Canceled IP",
    ]


@given(st.lists(st.tuples(st.sampled_from(DeliveryStatus), st.integers(0, 9))))
def test_a_standing_counts_every_delivery_once(counts: list[tuple[DeliveryStatus, int]]) -> None:
    part = standing(counts)

    assert part.total == sum(count for _, count in counts)
    assert part.open == sum(count for status, count in counts if status in OPEN)
    assert part.canceled == sum(count for status, count in counts if status is CANCELED)


@pytest.mark.parametrize(
    ("current", "open_deliveries", "is_overdue", "status"),
    [
        (MessageStatus.IN_PROGRESS, 1, False, MessageStatus.IN_PROGRESS),
        (MessageStatus.IN_PROGRESS, 1, True, MessageStatus.ERROR),
        (MessageStatus.IN_PROGRESS, 0, False, MessageStatus.SENT),
        (MessageStatus.IN_PROGRESS, 0, True, MessageStatus.SENT),
        (MessageStatus.ERROR, 1, True, MessageStatus.ERROR),
        (MessageStatus.ERROR, 0, True, MessageStatus.SENT),
        (MessageStatus.SENT, 1, False, MessageStatus.IN_PROGRESS),
        (MessageStatus.WAITING, 0, True, MessageStatus.WAITING),
        (MessageStatus.WAITING, 1, True, MessageStatus.WAITING),
        (MessageStatus.CANCELED, 1, True, MessageStatus.CANCELED),
        (MessageStatus.CANCELED, 0, False, MessageStatus.CANCELED),
        (MessageStatus.CANCELED_IN_PROGRESS, 1, True, MessageStatus.CANCELED_IN_PROGRESS),
        (MessageStatus.CANCELED_IN_PROGRESS, 0, False, MessageStatus.CANCELED_IN_PROGRESS),
    ],
)
def test_the_status_of_a_message_follows_from_what_is_open_and_whether_it_is_overdue(
    current: MessageStatus, open_deliveries: int, is_overdue: bool, status: MessageStatus
) -> None:
    part = Standing(open=open_deliveries, canceled=0, settled=2)

    assert message_status(current, part, is_overdue=is_overdue) is status
