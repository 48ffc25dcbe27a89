"""The options of a report, its rows and its file name. `renderers` makes the file."""

import re
import unicodedata
from collections.abc import Iterable, Set
from datetime import date, timedelta
from enum import StrEnum
from math import ceil
from typing import Final, NamedTuple

from domain.call_status import call_status as call_status_of
from domain.counting import Tally
from domain.modes import PHONE_MODES
from domain.status import (
    STATUS_LABELS,
    DeliveryMode,
    DeliveryStatus,
    MessageStatus,
)


class ReportKind(StrEnum):
    """What a report is about: one message, one person's or student's messages, or the addresses with a problem."""

    MESSAGE = "MESSAGE"
    FAMILY = "FAMILY"
    CONTACT_PROBLEMS = "CONTACT_PROBLEMS"


class ReportDevice(StrEnum):
    """A device whose rows a report may have, in the order of the manual."""

    NO_DEVICE = "NO_DEVICE"
    INBOX = "INBOX"
    EMAIL = "EMAIL"
    VOICE_TEXT = "VOICE_TEXT"


class ReportDetail(StrEnum):
    """The level of detail of a report."""

    ALL = "ALL"
    SUMMARY = "SUMMARY"
    FAILED_DELIVERY = "FAILED_DELIVERY"


class ReportFormat(StrEnum):
    """The file format."""

    PDF = "PDF"
    CSV = "CSV"
    DOCX = "DOCX"
    XLSX = "XLSX"


class ReportStatus(StrEnum):
    """The status of a report."""

    QUEUED = "QUEUED"
    RENDERING = "RENDERING"
    READY = "READY"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


KEPT: Final = timedelta(hours=24)
"""How long a report can be downloaded after its request."""

SAME_WITHIN: Final = timedelta(minutes=1)
"""Equal requests of a viewer within this time get the same report, unless the message has changed."""

MOST_SMALL: Final = 5_000
"""The most rows of a small report, which is made at ordinary priority because it is ready within seconds."""

MODES_OF_DEVICE: Final = {
    ReportDevice.NO_DEVICE: frozenset[DeliveryMode](),
    ReportDevice.INBOX: frozenset({DeliveryMode.INBOX}),
    ReportDevice.EMAIL: frozenset({DeliveryMode.EMAIL}),
    ReportDevice.VOICE_TEXT: PHONE_MODES,
}

DEVICE_LABELS: Final = {
    ReportDevice.NO_DEVICE: "No Device",
    ReportDevice.INBOX: "Inbox",
    ReportDevice.EMAIL: "Email",
    ReportDevice.VOICE_TEXT: "Voice/Text",
}

DETAIL_LABELS: Final = {
    ReportDetail.ALL: "All",
    ReportDetail.SUMMARY: "Summary",
    ReportDetail.FAILED_DELIVERY: "Failed Delivery",
}

TITLES: Final = {
    ReportKind.MESSAGE: "Sent Message Report",
    ReportKind.FAMILY: "Family Report",
    ReportKind.CONTACT_PROBLEMS: "Contact Problem Report",
}

CONTENT_TYPES: Final = {
    ReportFormat.PDF: "application/pdf",
    ReportFormat.CSV: "text/csv; charset=utf-8",
    ReportFormat.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ReportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class ReportChoice(NamedTuple):
    """The requested options; `devices` in any order, possibly with repetitions."""

    devices: tuple[ReportDevice, ...]
    detail: ReportDetail
    format: ReportFormat


class ReportOptions(NamedTuple):
    """The options that a message allows now, each in the order of its enum."""

    devices: tuple[ReportDevice, ...]
    details: tuple[ReportDetail, ...]
    formats: tuple[ReportFormat, ...]


class ReportRefusal(NamedTuple):
    """Why a choice is not available: the input field and a message for the viewer."""

    field: str
    message: str


class RowRule(NamedTuple):
    """The rule for the rows of the Delivery Detail."""

    modes: frozenset[DeliveryMode]
    """Deliveries of these modes have a row each."""
    has_no_device: bool
    """A recipient without any delivery has a row."""
    is_failed_only: bool
    """Only recipients of whom a delivery of these modes failed, with all their deliveries of these modes."""


def report_options(
    status: MessageStatus, modes: Set[DeliveryMode], *, is_purged: bool = False
) -> ReportOptions:
    """Return the options for a message with this status and these modes; only the summary if its recipients were purged."""
    devices = tuple(
        device
        for device in ReportDevice
        if device is ReportDevice.NO_DEVICE or MODES_OF_DEVICE[device] & modes
    )
    running = status in (MessageStatus.WAITING, MessageStatus.IN_PROGRESS)
    details = tuple(
        detail
        for detail in ReportDetail
        if not (running and detail is ReportDetail.FAILED_DELIVERY)
        and not (is_purged and detail is not ReportDetail.SUMMARY)
    )
    return ReportOptions(devices, details, tuple(ReportFormat))


def refusal(choice: ReportChoice, options: ReportOptions) -> ReportRefusal | None:
    """Return why `choice` is not among `options`; None if it is. At least one device must be chosen."""
    offered = ", ".join(options.devices)
    if not choice.devices:
        return ReportRefusal("devices", f"Choose at least one delivery device: {offered}.")
    for device in choice.devices:
        if device not in options.devices:
            return ReportRefusal(
                "devices",
                f"The message was not sent by {DEVICE_LABELS[device]}: choose among {offered}.",
            )
    if choice.detail not in options.details and options.details == (ReportDetail.SUMMARY,):
        return ReportRefusal(
            "detail",
            "The recipients of this message were removed, because their retention period is over. "
            f"Its figures are still there: choose {ReportDetail.SUMMARY}.",
        )
    if choice.detail not in options.details:
        return ReportRefusal(
            "detail",
            f"A report on {DETAIL_LABELS[choice.detail]} is not available while the message is waiting or "
            f"in progress: choose {' or '.join(options.details)}, or ask again when it has been sent.",
        )
    if choice.format not in options.formats:
        return ReportRefusal(
            "format",
            f"{choice.format} is not available: choose among {', '.join(options.formats)}.",
        )
    return None


def in_order(devices: Iterable[ReportDevice]) -> tuple[ReportDevice, ...]:
    """Return each of `devices` once, in the order of the enum, so that equivalent choices become equal."""
    chosen = set(devices)
    return tuple(device for device in ReportDevice if device in chosen)


def row_rule(devices: Iterable[ReportDevice], detail: ReportDetail) -> RowRule | None:
    """Return the rule for the rows of the Delivery Detail; None if the report has no such section.

    "Failed" refers to the chosen devices: with Email chosen, a person whose call failed is not included.
    """
    if detail is ReportDetail.SUMMARY:
        return None
    chosen = frozenset(devices)
    return RowRule(
        modes=frozenset().union(*(MODES_OF_DEVICE[device] for device in chosen)),
        has_no_device=ReportDevice.NO_DEVICE in chosen and detail is ReportDetail.ALL,
        is_failed_only=detail is ReportDetail.FAILED_DELIVERY,
    )


def rows_expected(
    rule: RowRule | None, tallies: Iterable[Tally], *, people: int, without_device: int
) -> int:
    """Return the number of rows of a report by `rule`, from the counters of its message.

    Exact, except for failed deliveries: each is assumed to belong to a recipient with an average number of devices.
    """
    if rule is None:
        return 0
    chosen = [tally for tally in tallies if tally.mode in rule.modes]
    rows = sum(tally.deliveries for tally in chosen)
    if not rule.is_failed_only:
        return rows + (without_device if rule.has_no_device else 0)
    failed = sum(tally.deliveries for tally in chosen if tally.status is DeliveryStatus.FAILED)
    # People without devices of these modes lower the average, so the number of failed deliveries is a lower bound.
    return min(rows, max(failed, ceil(failed * rows / max(1, people - without_device))))


def rows_of_recipient(
    rule: RowRule, deliveries: Iterable[tuple[DeliveryMode, DeliveryStatus]]
) -> tuple[int, ...] | None:
    """Return the positions of a recipient's `deliveries` that have a row; None means the one row "No Device".

    `db.reports.marks` has the same rule as a statement.
    """
    all_of_them = list(deliveries)
    if not all_of_them:
        return None if rule.has_no_device else ()
    chosen = tuple(at for at, (mode, _) in enumerate(all_of_them) if mode in rule.modes)
    if rule.is_failed_only:
        failed = any(all_of_them[at][1] is DeliveryStatus.FAILED for at in chosen)
        return chosen if failed else ()
    return chosen


def status_label(status: DeliveryStatus, call_status: int | None) -> str:
    """Return a delivery's status as a report prints it: the label of its code, or of its status if it has no code."""
    return STATUS_LABELS[status] if call_status is None else call_status_of(call_status).label


def status_with_code(status: DeliveryStatus, call_status: int | None) -> str:
    """Return a delivery's status with the code before its label: `5 Live Person`; an unknown code has no label."""
    label = status_label(status, call_status)
    return label if call_status is None or label == str(call_status) else f"{call_status} {label}"


LONGEST_SUBJECT: Final = 160
"""The most bytes of the subject in a file name, so that the whole name stays below 255, the limit of file systems."""

_UNFIT: Final = re.compile(r'[/\\:*?"<>|]+')


def file_name(
    subject: str, day: date, *, format: ReportFormat, kind: ReportKind = ReportKind.MESSAGE
) -> str:
    """Return the file name: `Sent Message Report - School is Cancelled - 2019-12-02.pdf`.

    `day` is the local day on which the message was created, or on which another report was requested. Characters that file systems reject become spaces; control
    characters and direction marks, which falsify the displayed name, are removed.
    """
    visible = "".join(
        c for c in subject if unicodedata.category(c) not in ("Cc", "Cf", "Cs") or c.isspace()
    )
    name = " ".join(_UNFIT.sub(" ", visible).split())
    name = name.encode()[:LONGEST_SUBJECT].decode(errors="ignore").strip(" .")
    parts = [TITLES[kind], *([name] if name else []), f"{day:%Y-%m-%d}"]
    return f"{' - '.join(parts)}.{format.lower()}"
