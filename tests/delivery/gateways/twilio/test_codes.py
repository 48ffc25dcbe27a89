import pytest

from delivery.gateways.base import NotAccepted, Refused
from delivery.gateways.twilio.codes import (
    ACCOUNT_ERRORS,
    ANSWERED_BY,
    CALL_ERRORS,
    CALL_STATUSES,
    PASSING_ERRORS,
    SIP_CODES,
    TEXT_ERRORS,
    TEXT_STATUSES,
    call_outcome,
    refusal,
    text_outcome,
)
from domain import call_status
from domain.status import DeliveryMode, DeliveryStatus


@pytest.mark.parametrize(
    ("word", "answered_by", "status", "code"),
    [
        ("queued", None, DeliveryStatus.IN_PROGRESS, None),
        ("initiated", None, DeliveryStatus.IN_PROGRESS, None),
        ("ringing", None, DeliveryStatus.IN_PROGRESS, None),
        ("in-progress", "human", DeliveryStatus.IN_PROGRESS, None),
        ("completed", "human", DeliveryStatus.DELIVERED, 5),
        ("completed", "machine_start", DeliveryStatus.DELIVERED, 6),
        ("completed", "machine_end_beep", DeliveryStatus.DELIVERED, 6),
        ("completed", "machine_end_silence", DeliveryStatus.DELIVERED, 6),
        ("completed", "machine_end_other", DeliveryStatus.DELIVERED, 6),
        ("completed", "fax", DeliveryStatus.FAILED, 7),
        ("completed", "unknown", DeliveryStatus.FAILED, 9),
        ("completed", None, DeliveryStatus.IN_PROGRESS, None),
        ("completed", "", DeliveryStatus.IN_PROGRESS, None),
        ("completed", "a parrot", DeliveryStatus.FAILED, 9),
        ("busy", None, DeliveryStatus.FAILED, 1),
        ("no-answer", None, DeliveryStatus.FAILED, 0),
        ("failed", None, DeliveryStatus.FAILED, 10),
        ("canceled", None, DeliveryStatus.FAILED, 10),
        ("Completed", "human", None, None),
        ("", None, None, None),
    ],
)
def test_call_statuses_have_their_codes(
    word: str, answered_by: str | None, status: DeliveryStatus | None, code: int | None
) -> None:
    assert call_outcome(word, answered_by) == (status, code)


def test_a_completed_call_with_an_extension_has_reached_its_number() -> None:
    outcome = call_outcome("completed", None, has_extension=True)

    assert outcome == (DeliveryStatus.DELIVERED, 13)


@pytest.mark.parametrize(
    ("sip", "code"),
    [
        ("404", 3),
        ("486", 1),
        ("484", -2),
        ("503", -26),
        ("500", 10),
        ("", 10),
        ("²", 10),
        ("x", 10),
    ],
)
def test_a_failed_call_gets_its_code_from_the_last_sip_response(sip: str, code: int) -> None:
    assert call_outcome("failed", None, sip=sip) == (DeliveryStatus.FAILED, code)


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [
        ("accepted", DeliveryStatus.IN_PROGRESS, -39),
        ("scheduled", DeliveryStatus.IN_PROGRESS, -39),
        ("queued", DeliveryStatus.IN_PROGRESS, -39),
        ("sending", DeliveryStatus.IN_PROGRESS, -39),
        ("sent", DeliveryStatus.SENT, -27),
        ("delivered", DeliveryStatus.DELIVERED, -28),
        ("read", DeliveryStatus.DELIVERED, -28),
        ("undelivered", DeliveryStatus.FAILED, -40),
        ("failed", DeliveryStatus.FAILED, -30),
        ("canceled", DeliveryStatus.FAILED, -30),
        ("partially_delivered", None, None),
        ("", None, None),
    ],
)
def test_text_statuses_have_their_codes(
    word: str, status: DeliveryStatus | None, code: int | None
) -> None:
    assert text_outcome(word) == (status, code)


@pytest.mark.parametrize("error", [21610, "21610"])
def test_a_text_to_an_unsubscribed_number_is_opted_out(error: int | str) -> None:
    assert text_outcome("failed", error) == (DeliveryStatus.OPTED_OUT, -33)


@pytest.mark.parametrize("word", ["failed", "undelivered"])
@pytest.mark.parametrize(
    ("error", "code"), [("21211", -2), (21614, -30), (21635, -30), ("21265", -30)]
)
def test_an_error_about_a_number_means_the_same_after_the_hand_over(
    word: str, error: int | str, code: int
) -> None:
    assert text_outcome(word, error) == (DeliveryStatus.FAILED, code)


@pytest.mark.parametrize("error", [None, "", "x", "²", "9" * 30, -1])
def test_an_invalid_error_leaves_the_status(error: int | str | None) -> None:
    assert text_outcome("undelivered", error) == (DeliveryStatus.FAILED, -40)


def test_an_error_with_a_text_that_arrived_does_not_undo_it() -> None:
    assert text_outcome("delivered", 21614) == (DeliveryStatus.DELIVERED, -28)


@pytest.mark.parametrize(
    "error",
    [21211, 21217, 21265, 21266, 21401, 21421, 21451, 21604, 21612, 21614, 21617, 21619, 21635],
)
def test_permanent_errors_are_refused_at_once(error: int) -> None:
    assert isinstance(refusal(DeliveryMode.TEXT, error, "no"), Refused)


@pytest.mark.parametrize("mode", [DeliveryMode.TEXT, DeliveryMode.VOICE])
@pytest.mark.parametrize("error", [*ACCOUNT_ERRORS, *PASSING_ERRORS, 99999, None])
def test_fixable_and_temporary_errors_are_retried(mode: DeliveryMode, error: int | None) -> None:
    outcome = refusal(mode, error, "HTTP 400")

    to_mend = ACCOUNT_ERRORS.get(error or 0)
    assert outcome == NotAccepted(f"{to_mend} (HTTP 400)" if to_mend else "HTTP 400")


def test_each_error_is_in_one_table() -> None:
    refused = CALL_ERRORS.keys() | TEXT_ERRORS.keys()

    assert not refused & ACCOUNT_ERRORS.keys()
    assert not refused & PASSING_ERRORS
    assert not ACCOUNT_ERRORS.keys() & PASSING_ERRORS


def test_every_resulting_code_is_in_the_manual_s_table() -> None:
    tables = (CALL_STATUSES, ANSWERED_BY, SIP_CODES, TEXT_STATUSES, CALL_ERRORS, TEXT_ERRORS)
    codes = {code for table in tables for code in table.values() if code is not None}

    assert codes <= call_status.CALL_STATUSES.keys()
