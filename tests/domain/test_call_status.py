"""The codes and labels are those of the manual; an unknown code is shown by its number."""

import pytest

from domain.call_status import CALL_STATUSES, SUCCESSES, CallStatus, call_status

CODES_OF_THE_MANUAL = [
    *range(11), 13, 14, 16, 17,
    *range(-1, -6, -1), -7, *range(-9, -16, -1), *range(-18, -41, -1),
]  # fmt: skip


def test_the_codes_are_those_of_the_manual_in_its_order() -> None:
    assert list(CALL_STATUSES) == CODES_OF_THE_MANUAL


@pytest.mark.parametrize(
    ("code", "label"),
    [
        (0, "No answer"),
        (5, "Live Person"),
        (6, "Answering Machine"),
        (8, "PBX"),
        (13, "Preconnect Done"),
        (-4, "Duplicate"),
        (-27, "SMS Sent"),
        (-33, "SMS Opt Out"),
        (-40, "SMS Undelivered"),
    ],
)
def test_a_code_has_the_label_of_the_manual(code: int, label: str) -> None:
    assert call_status(code).label == label
    assert call_status(code).code == code


def test_a_live_person_a_machine_an_extension_and_a_sent_text_are_successes() -> None:
    assert {5, 6, 13, -27, -28} == SUCCESSES
    assert {code for code in CALL_STATUSES if call_status(code).is_success} == SUCCESSES


def test_four_codes_are_not_final() -> None:
    assert {code for code in CALL_STATUSES if not call_status(code).is_final} == {17, -27, -39}


def test_every_code_has_a_label_that_can_be_shown() -> None:
    labels = [status.label for status in CALL_STATUSES.values()]

    assert all(label == label.strip() and label for label in labels)
    assert all(status.code == code for code, status in CALL_STATUSES.items())


@pytest.mark.parametrize("code", [77, -99, 11, -6])
def test_a_code_that_is_not_in_the_table_is_shown_by_its_number(code: int) -> None:
    assert call_status(code) == CallStatus(
        code=code,
        label=str(code),
        note="The provider reported a code that the table of call statuses does not have.",
        is_success=False,
        is_final=False,
    )
