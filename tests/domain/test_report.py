"""The options of a report, its rows and its file name."""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import chain, combinations, product

import pytest

from domain.counting import Tally
from domain.report import (
    ReportChoice,
    ReportDetail,
    ReportDevice,
    ReportFormat,
    ReportOptions,
    ReportRefusal,
    RowRule,
    file_name,
    in_order,
    refusal,
    report_options,
    row_rule,
    rows_expected,
    rows_of_recipient,
    status_label,
    status_with_code,
)
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus

INBOX, EMAIL, VOICE, TEXT = DeliveryMode
SENT, FAILED, CANCELED = DeliveryStatus.SENT, DeliveryStatus.FAILED, DeliveryStatus.CANCELED
NO_DEVICE = ReportDevice.NO_DEVICE
ALL, SUMMARY, FAILED_DELIVERY = ReportDetail


@pytest.mark.parametrize(
    ("modes", "devices"),
    [
        (set(), ["NO_DEVICE"]),
        ({INBOX}, ["NO_DEVICE", "INBOX"]),
        ({EMAIL}, ["NO_DEVICE", "EMAIL"]),
        ({VOICE}, ["NO_DEVICE", "VOICE_TEXT"]),
        ({TEXT}, ["NO_DEVICE", "VOICE_TEXT"]),
        ({INBOX, EMAIL, VOICE, TEXT}, ["NO_DEVICE", "INBOX", "EMAIL", "VOICE_TEXT"]),
    ],
)
def test_a_report_offers_the_devices_that_the_message_was_sent_with(
    modes: set[DeliveryMode], devices: list[str]
) -> None:
    assert list(report_options(MessageStatus.SENT, modes).devices) == devices


@pytest.mark.parametrize(
    ("status", "details"),
    [
        ("WAITING", ["ALL", "SUMMARY"]),
        ("IN_PROGRESS", ["ALL", "SUMMARY"]),
        ("SENT", ["ALL", "SUMMARY", "FAILED_DELIVERY"]),
        ("ERROR", ["ALL", "SUMMARY", "FAILED_DELIVERY"]),
        ("CANCELED", ["ALL", "SUMMARY", "FAILED_DELIVERY"]),
        ("CANCELED_IN_PROGRESS", ["ALL", "SUMMARY", "FAILED_DELIVERY"]),
    ],
)
def test_failed_delivery_is_offered_only_after_the_message_is_sent(
    status: str, details: list[str]
) -> None:
    options = report_options(MessageStatus(status), {EMAIL})
    assert list(options.details) == details
    assert list(options.formats) == ["PDF", "CSV", "DOCX", "XLSX"]


def every_choice() -> Iterator[ReportChoice]:
    """Return every set of devices with every detail and format."""
    sets = chain.from_iterable(combinations(ReportDevice, size) for size in range(5))
    return (ReportChoice(*parts) for parts in product(sets, ReportDetail, ReportFormat))


@pytest.mark.parametrize(
    "modes", [{EMAIL}, {INBOX, TEXT}, set(DeliveryMode)], ids=["email", "inbox and text", "all"]
)
@pytest.mark.parametrize("status", MessageStatus)
def test_a_choice_is_refused_exactly_if_a_part_of_it_is_not_offered(
    status: MessageStatus, modes: set[DeliveryMode]
) -> None:
    options = report_options(status, modes)
    sent_by = {
        ReportDevice.INBOX: INBOX in modes,
        ReportDevice.EMAIL: EMAIL in modes,
        ReportDevice.VOICE_TEXT: VOICE in modes or TEXT in modes,
        ReportDevice.NO_DEVICE: True,
    }
    runs = status in ("WAITING", "IN_PROGRESS")
    for choice in every_choice():
        refused = refusal(choice, options)
        field = None if refused is None else refused.field
        if not choice.devices or not all(sent_by[device] for device in choice.devices):
            assert field == "devices", choice
        elif runs and choice.detail == "FAILED_DELIVERY":
            assert field == "detail", choice
        else:
            assert field is None, choice


def test_a_refusal_says_what_can_be_chosen_instead() -> None:
    options = report_options(MessageStatus.IN_PROGRESS, {EMAIL})
    by_phone = ReportChoice((ReportDevice.EMAIL, ReportDevice.VOICE_TEXT), ALL, ReportFormat.PDF)
    assert refusal(by_phone, options) == ReportRefusal(
        "devices", "The message was not sent by Voice/Text: choose among NO_DEVICE, EMAIL."
    )
    assert refusal(by_phone._replace(devices=()), options) == ReportRefusal(
        "devices", "Choose at least one delivery device: NO_DEVICE, EMAIL."
    )
    failed = ReportChoice((NO_DEVICE,), FAILED_DELIVERY, ReportFormat.PDF)
    assert refusal(failed, options) == ReportRefusal(
        "detail",
        "A report on Failed Delivery is not available while the message is waiting or in progress: "
        "choose ALL or SUMMARY, or ask again when it has been sent.",
    )


def test_a_format_that_is_not_offered_is_refused() -> None:
    options = ReportOptions((NO_DEVICE,), (ALL,), (ReportFormat.PDF, ReportFormat.CSV))
    choice = ReportChoice((NO_DEVICE,), ALL, ReportFormat.XLSX)
    assert refusal(choice, options) == ReportRefusal(
        "format", "XLSX is not available: choose among PDF, CSV."
    )


def test_the_same_devices_in_another_order_are_the_same_choice() -> None:
    chosen = [ReportDevice.VOICE_TEXT, NO_DEVICE, ReportDevice.VOICE_TEXT]
    assert in_order(chosen) == (NO_DEVICE, ReportDevice.VOICE_TEXT)


EMAIL_SENT = Tally(DeliveryMode.EMAIL, DeliveryStatus.SENT, None, False, 700)
EMAIL_COPY = Tally(DeliveryMode.EMAIL, DeliveryStatus.SENT, None, True, 20)
EMAIL_FAILED = Tally(DeliveryMode.EMAIL, DeliveryStatus.FAILED, None, False, 30)
TEXT_FAILED = Tally(DeliveryMode.TEXT, DeliveryStatus.FAILED, -40, False, 50)
TALLIES = (EMAIL_SENT, EMAIL_COPY, EMAIL_FAILED, TEXT_FAILED)


@pytest.mark.parametrize(
    ("devices", "detail", "tallies", "rows"),
    [
        (ReportDevice, SUMMARY, TALLIES, 0),
        (ReportDevice, ALL, TALLIES, 700 + 20 + 30 + 50 + 100),
        ([ReportDevice.EMAIL], ALL, TALLIES, 750),
        ([ReportDevice.NO_DEVICE], ALL, TALLIES, 100),
        # 750 emails to 400 people: 30 of them have 57 emails on average.
        ([ReportDevice.EMAIL], FAILED_DELIVERY, TALLIES, 57),
        (ReportDevice, FAILED_DELIVERY, TALLIES, 160),
        (ReportDevice, FAILED_DELIVERY, [EMAIL_SENT], 0),
        ([ReportDevice.VOICE_TEXT], FAILED_DELIVERY, [TEXT_FAILED], 50),
        (ReportDevice, ALL, [], 100),
    ],
)
def test_the_number_of_rows_follows_from_the_counters_of_the_message(
    devices: Iterable[ReportDevice], detail: ReportDetail, tallies: Iterable[Tally], rows: int
) -> None:
    rule = row_rule(devices, detail)
    assert rows_expected(rule, tallies, people=500, without_device=100) == rows


def test_a_summary_has_no_rows() -> None:
    assert row_rule(ReportDevice, SUMMARY) is None


@pytest.mark.parametrize(
    ("devices", "detail", "rule"),
    [
        ([NO_DEVICE], ALL, RowRule(frozenset(), True, False)),
        ([ReportDevice.EMAIL], ALL, RowRule(frozenset({EMAIL}), False, False)),
        ([ReportDevice.VOICE_TEXT], ALL, RowRule(frozenset({VOICE, TEXT}), False, False)),
        (list(ReportDevice), ALL, RowRule(frozenset(DeliveryMode), True, False)),
        (list(ReportDevice), FAILED_DELIVERY, RowRule(frozenset(DeliveryMode), False, True)),
    ],
)
def test_the_chosen_devices_determine_the_rows(
    devices: list[ReportDevice], detail: ReportDetail, rule: RowRule
) -> None:
    assert row_rule(devices, detail) == rule


EVERYTHING = RowRule(frozenset(DeliveryMode), True, False)
ONLY_FAILED = RowRule(frozenset(DeliveryMode), False, True)
ONLY_FAILED_EMAIL = RowRule(frozenset({EMAIL}), False, True)


@pytest.mark.parametrize(
    ("rule", "deliveries", "positions"),
    [
        (EVERYTHING, [], None),
        (EVERYTHING, [(EMAIL, SENT), (VOICE, FAILED)], (0, 1)),
        (RowRule(frozenset({EMAIL}), True, False), [(VOICE, SENT), (EMAIL, SENT)], (1,)),
        (RowRule(frozenset({EMAIL}), True, False), [(VOICE, SENT)], ()),
        (RowRule(frozenset({EMAIL}), False, False), [], ()),
        (ONLY_FAILED, [], ()),
        (ONLY_FAILED, [(EMAIL, SENT), (VOICE, FAILED)], (0, 1)),
        (ONLY_FAILED, [(EMAIL, SENT), (VOICE, CANCELED)], ()),
        (ONLY_FAILED_EMAIL, [(EMAIL, SENT), (VOICE, FAILED)], ()),
        (ONLY_FAILED_EMAIL, [(EMAIL, FAILED), (VOICE, FAILED), (EMAIL, SENT)], (0, 2)),
    ],
)
def test_a_recipient_has_the_rows_of_the_rule(
    rule: RowRule,
    deliveries: list[tuple[DeliveryMode, DeliveryStatus]],
    positions: tuple[int, ...] | None,
) -> None:
    assert rows_of_recipient(rule, deliveries) == positions


@pytest.mark.parametrize(
    ("status", "code", "label"),
    [
        (SENT, None, "Sent"),
        (DeliveryStatus.IN_PROGRESS, None, "In-Progress"),
        (DeliveryStatus.DELIVERED, 5, "Live Person"),
        (SENT, -27, "SMS Sent"),
        (FAILED, 4711, "4711"),
    ],
)
def test_a_status_with_a_code_has_the_label_of_the_code(
    status: DeliveryStatus, code: int | None, label: str
) -> None:
    assert status_label(status, code) == label


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("School is Cancelled", "Sent Message Report - School is Cancelled - 2019-12-02.pdf"),
        ("Trường đóng cửa 王小明", "Sent Message Report - Trường đóng cửa 王小明 - 2019-12-02.pdf"),
        ("", "Sent Message Report - 2019-12-02.pdf"),
        (" ... ", "Sent Message Report - 2019-12-02.pdf"),
        ("../../etc/passwd", "Sent Message Report - etc passwd - 2019-12-02.pdf"),
        ('a/b\\c:d*e?f"g<h>i|j', "Sent Message Report - a b c d e f g h i j - 2019-12-02.pdf"),
        ("two\r\nlines\tand a tab", "Sent Message Report - two lines and a tab - 2019-12-02.pdf"),
        ("seen as \u202egnp.exe", "Sent Message Report - seen as gnp.exe - 2019-12-02.pdf"),
        ("nul\x00 and half \ud83d", "Sent Message Report - nul and half - 2019-12-02.pdf"),
    ],
)
def test_a_file_name_has_no_characters_that_file_systems_reject(subject: str, name: str) -> None:
    assert file_name(subject, date(2019, 12, 2), format=ReportFormat.PDF) == name


def test_a_long_file_name_fits_and_ends_in_a_whole_character() -> None:
    name = file_name("王" * 500, date(2019, 12, 2), format=ReportFormat.DOCX)
    assert name == f"Sent Message Report - {'王' * 53} - 2019-12-02.docx"
    assert len(name.encode()) < 255


@pytest.mark.parametrize(
    ("status", "code", "shown"),
    [
        (DeliveryStatus.DELIVERED, 5, "5 Live Person"),
        (DeliveryStatus.FAILED, -30, "-30 Text Message Failed"),
        (DeliveryStatus.FAILED, 0, "0 No answer"),
        (DeliveryStatus.SENT, None, "Sent"),
        (DeliveryStatus.FAILED, 99, "99"),
    ],
)
def test_a_status_with_its_code_shows_the_code_before_the_label(
    status: DeliveryStatus, code: int | None, shown: str
) -> None:
    assert status_with_code(status, code) == shown
