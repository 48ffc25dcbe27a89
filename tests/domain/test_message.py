"""The status of a new message follows from its time and its record."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.call_status import CALL_STATUSES
from domain.message import LONG_AGO, Source, first_status, recorded_status, visible_from
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus

NOON = datetime(2020, 1, 31, 18, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)

INBOX, EMAIL, VOICE, TEXT = DeliveryMode
WAITING, IN_PROGRESS, SENT, ERROR, CANCELED, CANCELED_IP = MessageStatus


@pytest.mark.parametrize(
    ("source", "seen_from"),
    [(Source.TEMPLATE, LONG_AGO), (Source.SYSTEM, LONG_AGO), (Source.SCHEDULER, NOON)],
)
def test_only_a_message_of_a_scheduler_is_hidden_until_its_time(
    source: Source, seen_from: datetime
) -> None:
    assert visible_from(source, NOON) == seen_from


@pytest.mark.parametrize(
    ("scheduled_at", "has_open", "status"),
    [
        (NOON + MOMENT, True, WAITING),
        (NOON + MOMENT, False, WAITING),
        (NOON, True, IN_PROGRESS),
        (NOON - MOMENT, True, IN_PROGRESS),
        (NOON, False, SENT),
    ],
)
def test_a_message_waits_for_its_time_and_is_sent_when_nothing_is_to_be_delivered(
    scheduled_at: datetime, has_open: bool, status: MessageStatus
) -> None:
    found = first_status(scheduled_at=scheduled_at, now=NOON, has_open=has_open)

    assert found is status


BLANK = {
    WAITING: dict.fromkeys(DeliveryMode, DeliveryStatus.PENDING),
    IN_PROGRESS: dict.fromkeys(DeliveryMode, DeliveryStatus.IN_PROGRESS),
    SENT: dict.fromkeys(DeliveryMode, DeliveryStatus.SENT),
    ERROR: dict.fromkeys(DeliveryMode, DeliveryStatus.SENT) | {VOICE: DeliveryStatus.IN_PROGRESS},
    CANCELED: dict.fromkeys(DeliveryMode, DeliveryStatus.CANCELED),
    CANCELED_IP: dict.fromkeys(DeliveryMode, DeliveryStatus.SENT),
}
OPTED_OUT_BY_BLANK = {IN_PROGRESS, SENT, ERROR, CANCELED_IP}


@pytest.mark.parametrize("message", MessageStatus)
@pytest.mark.parametrize("mode", DeliveryMode)
def test_a_delivery_without_a_record_follows_its_message_and_a_text_has_opted_out(
    message: MessageStatus, mode: DeliveryMode
) -> None:
    expected = BLANK[message][mode]
    if mode is TEXT and message in OPTED_OUT_BY_BLANK:
        expected = DeliveryStatus.OPTED_OUT

    assert recorded_status(message, mode, status=None, code=None, confirmed=False) is expected


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (5, DeliveryStatus.DELIVERED),
        (6, DeliveryStatus.DELIVERED),
        (13, DeliveryStatus.DELIVERED),
        (-28, DeliveryStatus.DELIVERED),
        (-27, DeliveryStatus.SENT),
        (-33, DeliveryStatus.OPTED_OUT),
        (17, DeliveryStatus.IN_PROGRESS),
        (-39, DeliveryStatus.IN_PROGRESS),
        (77, DeliveryStatus.IN_PROGRESS),
        (8, DeliveryStatus.FAILED),
        (0, DeliveryStatus.FAILED),
        (-4, DeliveryStatus.FAILED),
        (-40, DeliveryStatus.FAILED),
    ],
)
def test_a_code_alone_determines_the_status_of_a_delivery(
    code: int, status: DeliveryStatus
) -> None:
    assert recorded_status(SENT, VOICE, status=None, code=code, confirmed=False) is status


@given(
    st.sampled_from(MessageStatus),
    st.sampled_from(DeliveryMode),
    st.sampled_from(DeliveryStatus),
    st.sampled_from([None, *CALL_STATUSES, 77]),
    st.booleans(),
)
def test_a_recorded_status_is_kept(
    message: MessageStatus,
    mode: DeliveryMode,
    status: DeliveryStatus,
    code: int | None,
    confirmed: bool,
) -> None:
    assert recorded_status(message, mode, status=status, code=code, confirmed=confirmed) is status


@given(st.sampled_from(MessageStatus), st.sampled_from([None, *CALL_STATUSES, 77]))
def test_a_person_who_pressed_zero_was_reached(message: MessageStatus, code: int | None) -> None:
    found = recorded_status(message, VOICE, status=None, code=code, confirmed=True)

    assert found is DeliveryStatus.DELIVERED
