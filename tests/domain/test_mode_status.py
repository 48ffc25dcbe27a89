"""The status and the progress of a part of a message: inbox and e-mail, or voice and text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.status import (
    DeliveryStatus,
    MessageStatus,
    Standing,
    mode_status,
    progress_percent,
    standing,
)

WAITING, IN_PROGRESS, SENT, ERROR, CANCELED, CANCELED_IP = MessageStatus
NOTHING = Standing(open=0, canceled=0, settled=0)
OPEN = Standing(open=3, canceled=0, settled=0)
BEGUN = Standing(open=2, canceled=0, settled=1)
DONE = Standing(open=0, canceled=0, settled=3)
STOPPED = Standing(open=0, canceled=3, settled=0)
STOPPED_MIDWAY = Standing(open=0, canceled=2, settled=1)
STOPPING = Standing(open=1, canceled=2, settled=0)

STANDINGS = st.builds(Standing, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))


@pytest.mark.parametrize(
    ("message", "part", "screen", "phone"),
    [
        # message     part            inbox/e-mail  voice/text
        (WAITING, NOTHING, WAITING, WAITING),
        (WAITING, OPEN, WAITING, WAITING),
        (IN_PROGRESS, NOTHING, SENT, SENT),
        (IN_PROGRESS, OPEN, IN_PROGRESS, IN_PROGRESS),
        (IN_PROGRESS, BEGUN, IN_PROGRESS, IN_PROGRESS),
        (IN_PROGRESS, DONE, SENT, SENT),
        (SENT, NOTHING, SENT, SENT),
        (SENT, DONE, SENT, SENT),
        (ERROR, NOTHING, SENT, SENT),
        (ERROR, BEGUN, IN_PROGRESS, ERROR),
        (ERROR, DONE, SENT, SENT),
        (CANCELED, NOTHING, CANCELED, CANCELED),
        (CANCELED, OPEN, CANCELED, CANCELED),
        (CANCELED, STOPPING, CANCELED, CANCELED),
        (CANCELED, STOPPED, CANCELED, CANCELED),
        (CANCELED_IP, NOTHING, CANCELED_IP, CANCELED_IP),
        (CANCELED_IP, OPEN, CANCELED_IP, CANCELED_IP),
        (CANCELED_IP, STOPPED, CANCELED, CANCELED),
        (CANCELED_IP, STOPPING, CANCELED_IP, CANCELED_IP),
        (CANCELED_IP, STOPPED_MIDWAY, CANCELED_IP, CANCELED_IP),
        (CANCELED_IP, DONE, SENT, SENT),
    ],
)
def test_the_status_of_a_part_follows_from_its_own_deliveries(
    message: MessageStatus, part: Standing, screen: MessageStatus, phone: MessageStatus
) -> None:
    assert mode_status(message, part, has_phone=False) is screen
    assert mode_status(message, part, has_phone=True) is phone


@given(st.sampled_from(MessageStatus), STANDINGS)
def test_an_overdue_call_never_makes_inbox_and_email_an_error(
    message: MessageStatus, part: Standing
) -> None:
    assert mode_status(message, part, has_phone=False) is not ERROR


@pytest.mark.parametrize(
    ("part", "status", "percent"),
    [
        (NOTHING, WAITING, 0),
        (NOTHING, SENT, 100),
        (NOTHING, CANCELED, 100),
        (OPEN, WAITING, 0),
        (OPEN, IN_PROGRESS, 0),
        (BEGUN, IN_PROGRESS, 33),
        (DONE, SENT, 100),
        (STOPPED, CANCELED, 100),
        (Standing(open=1, canceled=0, settled=999), IN_PROGRESS, 99),
    ],
)
def test_progress_is_the_share_that_has_its_outcome(
    part: Standing, status: MessageStatus, percent: int
) -> None:
    assert progress_percent(part, status) == percent


@given(STANDINGS)
def test_progress_is_a_hundred_only_when_nothing_is_open(part: Standing) -> None:
    percent = progress_percent(part, mode_status(IN_PROGRESS, part, has_phone=False))

    assert 0 <= percent <= 100
    assert (percent == 100) is (part.open == 0)


def test_a_standing_adds_up_what_is_open_canceled_and_settled() -> None:
    counts = [(status, 10**place) for place, status in enumerate(DeliveryStatus)]

    # PENDING 1, IN_PROGRESS 10, SENT 100, DELIVERED 1000, FAILED 10000, CANCELED 100000, OPTED_OUT 1000000
    assert standing(counts) == Standing(open=11, canceled=100_000, settled=1_011_100)
