"""Each mode of delivery has its row, and is in one device of a report."""

from domain.modes import MODES, PHONE_MODES, SCREEN_MODES
from domain.report import MODES_OF_DEVICE
from domain.status import DeliveryMode


def test_every_mode_has_a_row_in_the_order_of_the_log() -> None:
    assert list(MODES) == list(DeliveryMode)


def test_phone_and_screen_modes_are_all_modes() -> None:
    assert {DeliveryMode.VOICE, DeliveryMode.TEXT} == PHONE_MODES
    assert {DeliveryMode.INBOX, DeliveryMode.EMAIL} == SCREEN_MODES


def test_only_modes_of_phones_have_a_code_when_given_up() -> None:
    assert {mode for mode, rules in MODES.items() if rules.given_up is not None} == PHONE_MODES


def test_a_report_includes_every_mode_with_one_device() -> None:
    included = [mode for modes in MODES_OF_DEVICE.values() for mode in modes]

    assert sorted(included) == sorted(DeliveryMode)
