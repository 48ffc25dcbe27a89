"""What a report may be asked for, which rows it has, and what its file is called.

How it looks is in `renderers`; when it is made, where it is kept and who may fetch it are not here either.
"""

import re
import unicodedata
from collections.abc import Iterable, Set
from datetime import date, timedelta
from enum import StrEnum
from math import ceil
from typing import Final, NamedTuple

from domain.call_status import call_status as call_status_of
from domain.counting import Tally
from domain.status import (
    PHONE_MODES,
    STATUS_LABELS,
    DeliveryMode,
    DeliveryStatus,
    MessageStatus,
)


class ReportDevice(StrEnum):
    """Whose rows a report has, in the order in which the manual offers them."""

    NO_DEVICE = "NO_DEVICE"
    INBOX = "INBOX"
    EMAIL = "EMAIL"
    VOICE_TEXT = "VOICE_TEXT"


class ReportDetail(StrEnum):
    """How much a report says."""

    ALL = "ALL"
    SUMMARY = "SUMMARY"
    FAILED_DELIVERY = "FAILED_DELIVERY"


class ReportFormat(StrEnum):
    """The kind of file."""

    PDF = "PDF"
    CSV = "CSV"
    DOCX = "DOCX"
    XLSX = "XLSX"


class ReportStatus(StrEnum):
    """Where a report stands."""

    QUEUED = "QUEUED"
    RENDERING = "RENDERING"
    READY = "READY"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


KEPT: Final = timedelta(hours=24)
"""How long a report can be had from when it was asked for."""

SAME_WITHIN: Final = timedelta(minutes=1)
"""The same person who asks again for the same within that time gets the same report, unless the message has changed."""

MOST_SMALL: Final = 5_000
"""Rows up to which a report is small: it is made at ordinary priority, since it is ready within seconds."""

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

CONTENT_TYPES: Final = {
    ReportFormat.PDF: "application/pdf",
    ReportFormat.CSV: "text/csv; charset=utf-8",
    ReportFormat.DOCX: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ReportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class ReportChoice(NamedTuple):
    """What somebody asked for; `devices` in any order, the same one perhaps twice."""

    devices: tuple[ReportDevice, ...]
    detail: ReportDetail
    format: ReportFormat


class ReportOptions(NamedTuple):
    """What a message allows now, each in the order of its enum."""

    devices: tuple[ReportDevice, ...]
    details: tuple[ReportDetail, ...]
    formats: tuple[ReportFormat, ...]


class ReportRefusal(NamedTuple):
    """Why a choice is not available: the input field that is to blame, and words for the person who chose."""

    field: str
    message: str


class RowRule(NamedTuple):
    """Which rows the Delivery Detail has."""

    modes: frozenset[DeliveryMode]
    """Deliveries of these modes have a row each."""
    has_no_device: bool
    """A recipient without any delivery has a row."""
    is_failed_only: bool
    """Only recipients of whom a delivery of these modes failed, with all their deliveries of these modes."""


def report_options(
    status: MessageStatus, modes: Set[DeliveryMode], *, is_purged: bool = False
) -> ReportOptions:
    """What a message at `status` that was sent by `modes` allows; one whose recipients were removed, its summary alone."""
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
    """Why `choice` is not among `options`; null where it is. At least one device has to be chosen."""
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
            "The recipients of this message were removed, since the time for which they are kept is over. "
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
    """Each of `devices` once, in the order of the enum: two choices that mean the same become equal."""
    chosen = set(devices)
    return tuple(device for device in ReportDevice if device in chosen)


def row_rule(devices: Iterable[ReportDevice], detail: ReportDetail) -> RowRule | None:
    """Which rows the Delivery Detail has; null where the report has no such section.

    "Failed" is meant of the chosen devices: somebody who chose Email is not shown a person whose call failed.
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
    """How many rows a report by `rule` has, from the counters of its message.

    Exact, but for a report on failed deliveries: each failed one is taken for a recipient with as many devices as the average.
    """
    if rule is None:
        return 0
    chosen = [tally for tally in tallies if tally.mode in rule.modes]
    rows = sum(tally.deliveries for tally in chosen)
    if not rule.is_failed_only:
        return rows + (without_device if rule.has_no_device else 0)
    failed = sum(tally.deliveries for tally in chosen if tally.status is DeliveryStatus.FAILED)
    # A person may have several devices of these modes, but whoever has none of them lowers the average: so no less than failed.
    return min(rows, max(failed, ceil(failed * rows / max(1, people - without_device))))


def rows_of_recipient(
    rule: RowRule, deliveries: Iterable[tuple[DeliveryMode, DeliveryStatus]]
) -> tuple[int, ...] | None:
    """The positions among a recipient's `deliveries` that have a row; null means the one row "No Device".

    This is the rule as a whole; `db` says the same as a statement.
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
    """A delivery's status as a report prints it: the provider's word where there is a code, ours where there is none."""
    return STATUS_LABELS[status] if call_status is None else call_status_of(call_status).label


def status_with_code(status: DeliveryStatus, call_status: int | None) -> str:
    """A delivery's status with the provider's code before its label: `5 Live Person`; an unknown code stands alone."""
    label = status_label(status, call_status)
    return label if call_status is None or label == str(call_status) else f"{call_status} {label}"


LONGEST_SUBJECT: Final = 160
"""Bytes of the subject in a file name: with what stands around it the name stays under the 255 that file systems take."""

_UNFIT: Final = re.compile(r'[/\\:*?"<>|]+')


def file_name(subject: str, day: date, *, format: ReportFormat) -> str:
    """What the file is called: `Sent Message Report - School is Cancelled - 2019-12-02.pdf`.

    `day` is the day on which the message was created, in the district. What a file system refuses, and what shows a name
    otherwise than it is (controls, marks that turn the direction of writing), becomes a space or goes.
    """
    seen = "".join(
        c for c in subject if unicodedata.category(c) not in ("Cc", "Cf", "Cs") or c.isspace()
    )
    title = " ".join(_UNFIT.sub(" ", seen).split())
    title = title.encode()[:LONGEST_SUBJECT].decode(errors="ignore").strip(" .")
    parts = ["Sent Message Report", *([title] if title else []), f"{day:%Y-%m-%d}"]
    return f"{' - '.join(parts)}.{format.lower()}"
