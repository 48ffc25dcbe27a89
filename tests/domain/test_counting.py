"""Each figure counts and leaves out what the manual says."""

import pytest

from domain.call_status import CALL_STATUSES
from domain.counting import Figures, Tally, figures, is_reached
from domain.status import DeliveryMode, DeliveryStatus

INBOX, EMAIL, VOICE, TEXT = DeliveryMode
PENDING, IN_PROGRESS, SENT, DELIVERED, FAILED, CANCELED, OPTED_OUT = DeliveryStatus


def counted(*tallies: Tally) -> dict[str, int]:
    """Return the figures that are not zero."""
    found = figures(tallies, people=0, without_device=0, contacted=0)
    return {name: figure for name in Figures.__slots__ if (figure := getattr(found, name))}


@pytest.mark.parametrize(
    ("mode", "status", "counts_in"),
    [
        (INBOX, PENDING, set()),
        (INBOX, IN_PROGRESS, set()),
        (INBOX, SENT, {"total_inbox"}),
        (INBOX, DELIVERED, {"total_inbox"}),
        (INBOX, FAILED, set()),
        (INBOX, CANCELED, set()),
        (INBOX, OPTED_OUT, set()),
        *((EMAIL, status, {"total_emails"}) for status in DeliveryStatus),
        (VOICE, PENDING, {"total_voice", "total_voice_attempted"}),
        (VOICE, IN_PROGRESS, {"total_voice", "total_voice_attempted"}),
        (VOICE, SENT, {"total_voice", "total_voice_attempted"}),
        (VOICE, DELIVERED, {"total_voice", "total_voice_attempted"}),
        (VOICE, FAILED, {"total_voice", "total_voice_attempted"}),
        (VOICE, CANCELED, {"total_voice"}),
        (VOICE, OPTED_OUT, {"total_voice", "total_voice_attempted"}),
        (TEXT, PENDING, {"total_text", "total_text_attempted"}),
        (TEXT, IN_PROGRESS, {"total_text", "total_text_attempted"}),
        (TEXT, SENT, {"total_text", "total_text_attempted"}),
        (TEXT, DELIVERED, {"total_text", "total_text_attempted"}),
        (TEXT, FAILED, {"total_text", "total_text_attempted"}),
        (TEXT, CANCELED, {"total_text"}),
        (TEXT, OPTED_OUT, {"total_text"}),
    ],
)
def test_addresses_are_counted_by_mode_and_status(
    mode: DeliveryMode, status: DeliveryStatus, counts_in: set[str]
) -> None:
    tally = Tally(mode, status, None, is_duplicate=False, deliveries=3)

    assert counted(tally) == dict.fromkeys(counts_in, 3)


@pytest.mark.parametrize("mode", DeliveryMode)
@pytest.mark.parametrize("status", DeliveryStatus)
def test_duplicates_are_in_no_figure(mode: DeliveryMode, status: DeliveryStatus) -> None:
    assert counted(Tally(mode, status, 5, is_duplicate=True, deliveries=7)) == {}


@pytest.mark.parametrize("code", [None, *CALL_STATUSES, 77])
def test_a_text_is_attempted_unless_its_code_says_opted_out(code: int | None) -> None:
    tally = Tally(TEXT, DeliveryStatus.FAILED, code, is_duplicate=False, deliveries=2)

    attempted = {} if code == -33 else {"total_text_attempted": 2}
    assert counted(tally) == {"total_text": 2} | attempted


def test_tallies_of_one_mode_add_up_and_modes_do_not_mix() -> None:
    assert counted(
        Tally(VOICE, DeliveryStatus.DELIVERED, 5, False, 1),
        Tally(VOICE, DeliveryStatus.FAILED, 0, False, 2),
        Tally(VOICE, DeliveryStatus.CANCELED, None, False, 4),
        Tally(VOICE, DeliveryStatus.DELIVERED, 5, True, 8),
        Tally(TEXT, DeliveryStatus.SENT, -27, False, 16),
        Tally(EMAIL, DeliveryStatus.SENT, None, False, 32),
    ) == {
        "total_emails": 32,
        "total_voice": 7,
        "total_voice_attempted": 3,
        "total_text": 16,
        "total_text_attempted": 16,
    }


def test_everybody_not_contacted_is_counted_including_people_without_a_phone() -> None:
    assert figures([], people=127, without_device=34, contacted=27) == Figures(
        total_recipients=127,
        total_no_device=34,
        total_inbox=0,
        total_emails=0,
        total_voice=0,
        total_text=0,
        total_voice_attempted=0,
        total_text_attempted=0,
        recipients_contacted_by_phone=27,
        recipients_not_contacted_by_phone=100,
    )


@pytest.mark.parametrize("code", [None, *CALL_STATUSES, 77, -99])
def test_five_codes_count_as_contacted_and_pressing_zero_counts_with_any(code: int | None) -> None:
    assert is_reached(code, False) is (code in {5, 6, 13, -27, -28})
    assert is_reached(code, True) is True
