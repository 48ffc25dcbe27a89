"""The contents of a report, the same in every file format.

`ReportDocument` has plain values; the functions below turn it into titles, lines and columns in the order of the manual's example.
`domain.report` decides which rows of a message are in it. Each renderer decides the layout.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from domain.counting import Figures
from domain.message import BodyFormat, Criterion
from domain.modes import PHONE_MODES
from domain.report import DEVICE_LABELS, ReportDetail, ReportDevice
from domain.status import DeliveryMode, DeliveryStatus
from renderers.texts import clean_line, clean_text

TITLE: Final = "Sent Message Report"
LANGUAGE: Final = "en-US"
COLUMNS: Final = ("Recipient", "Student", "Delivery Device", "Status", "Time")

NOT_CONTACTED: Final = "*"
DUPLICATE: Final = "†"
DUPLICATE_IN_CSV: Final = "&"


class DetailRow(NamedTuple):
    """One row of the Delivery Detail: a delivery, or a person without a device (`mode` and later fields are None or empty).

    A named tuple, since there are hundreds of thousands. Names and addresses are masked if the viewer may not see them.
    """

    recipient: str
    student: str | None
    contacted: bool
    """This message reached one of the person's numbers."""
    mode: DeliveryMode | None = None
    address: str = ""
    status: DeliveryStatus | None = None
    call_status: int | None = None
    at: datetime | None = None
    """Timezone-aware."""
    is_duplicate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportCancellation:
    """A cancellation as shown in the summary."""

    requested_at: datetime
    requested_by: str | None
    """None: the system itself."""
    reason: str | None
    stopped: int
    already_sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """The texts of the message. `text_body` and `voice_script` are None if they are the same as the body."""

    body: str
    body_format: BodyFormat
    reply_to: str | None = None
    text_body: str | None = None
    voice_script: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDocument:
    """A report on one message at one moment.

    Instants are timezone-aware and shown in the local time of `zone`. `rows` yields the Delivery Detail in pages, ordered by
    recipient name, then student; it is read once. A summary has no rows.
    """

    district: str
    school: str | None
    """None: sent for the whole district."""
    zone: tzinfo
    subject: str
    message_type: str
    category: str | None = None
    """The kind of notice within its type."""
    sender: str
    created_at: datetime
    as_of: datetime
    devices: tuple[ReportDevice, ...]
    detail: ReportDetail
    modes: frozenset[DeliveryMode]
    """The modes by which the message was sent."""
    figures: Figures
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cancellation: ReportCancellation | None = None
    purged_at: datetime | None = None
    """When the recipients were removed from the log; the figures still count them."""
    criteria: Sequence[Criterion] = ()
    content: ReportContent
    has_duplicates: bool
    """A row has a duplicate address, so the legend explains its mark."""
    has_not_contacted: bool
    """A row has a recipient who was not contacted by phone."""
    rows: Iterable[Sequence[DetailRow]] = field(default=(), repr=False)

    @property
    def has_everything(self) -> bool:
        """Whether the report has Filter Criteria and Message Detail."""
        return self.detail is ReportDetail.ALL

    @property
    def has_rows(self) -> bool:
        """Whether the report has the Delivery Detail."""
        return self.detail is not ReportDetail.SUMMARY

    @property
    def marks_contact(self) -> bool:
        """Whether people who were not contacted by phone are marked: only in a message by voice or text."""
        return bool(self.modes & PHONE_MODES)


class Rendered(NamedTuple):
    """The result of rendering."""

    rows: int
    """Rows of the Delivery Detail."""


class Line(NamedTuple):
    """A label and its value, None if there is no value yet. An instant is shown in local time."""

    label: str
    value: str | int | datetime | None


def letterhead(report: ReportDocument) -> tuple[str, str]:
    """Return the district, and the school or "District-wide"."""
    return report.district, report.school or "District-wide"


def heading(report: ReportDocument) -> tuple[Line, ...]:
    """Return the lines below the subject."""
    return (
        Line("Type", _type(report)),
        Line("Sender", report.sender),
        Line("Date Created", report.created_at),
        Line("Devices Included", ", ".join(DEVICE_LABELS[device] for device in report.devices)),
    )


def _type(report: ReportDocument) -> str:
    """Return type and category, such as `Message Builder - General Notification`."""
    return " - ".join(filter(None, (report.message_type, report.category)))


def summary(report: ReportDocument) -> tuple[tuple[Line, ...], ...]:
    """Return the Delivery Summary in the manual's three columns, and a fourth group after a cancellation.

    The figures are those of the whole message, for any chosen devices; of a purged message, those from before the purge.
    """
    figures = report.figures
    people = [Line("Total Recipients", figures.total_recipients)]
    if ReportDevice.NO_DEVICE in report.devices:
        people.append(Line("Total No Device", figures.total_no_device))
    if report.purged_at is not None:
        people.append(Line("Recipients Removed", report.purged_at))
    groups = (
        (
            Line("Start Time", report.started_at),
            Line("End Time", report.ended_at),
            Line("Duration", _duration(report.started_at, report.ended_at)),
            *people,
        ),
        (
            Line("Total Inbox", figures.total_inbox),
            Line("Total Emails", figures.total_emails),
            Line("Total Voice", figures.total_voice),
            Line("Total Text", figures.total_text),
        ),
        (
            Line("Total Voice Attempted", figures.total_voice_attempted),
            Line("Total Text Messages Attempted", figures.total_text_attempted),
            Line(
                "Recipients contacted successfully by phone", figures.recipients_contacted_by_phone
            ),
            Line("Recipients not contacted by phone", figures.recipients_not_contacted_by_phone),
        ),
    )
    return groups if report.cancellation is None else (*groups, _cancellation(report.cancellation))


def _duration(start: datetime | None, end: datetime | None) -> str | None:
    if start is None or end is None:
        return None
    minutes = (end - start) // timedelta(minutes=1)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _cancellation(canceled: ReportCancellation) -> tuple[Line, ...]:
    return (
        Line("Canceled By", canceled.requested_by or "The system"),
        Line("Canceled At", canceled.requested_at),
        Line("Reason", canceled.reason),
        Line("Deliveries Stopped", canceled.stopped),
        Line("Sent Before", canceled.already_sent),
    )


def legend(report: ReportDocument, *, duplicate: str = DUPLICATE) -> tuple[Line, ...]:
    """Return the meaning of the marks in the Delivery Detail, with the mark as label; only of marks that a row has."""
    lines = []
    if report.marks_contact and report.has_not_contacted:
        lines.append(Line(NOT_CONTACTED, "Recipient not contacted by phone"))
    if report.has_duplicates:
        meaning = "Duplicate address: shown, not sent again, not in the totals"
        lines.append(Line(duplicate, meaning))
    return tuple(lines)


def separate_texts(report: ReportDocument) -> tuple[Line, ...]:
    """Return the text message and the voice script, if they differ from the body."""
    content = report.content
    lines = (
        Line("Text Message", content.text_body),
        Line("Voice Script", content.voice_script),
    )
    return tuple(line for line in lines if line.value)


def with_clean_texts(report: ReportDocument) -> ReportDocument:
    """Return `report` with texts for every file format: names and labels on one line, other texts with line feeds.

    The body keeps its markup, which `renderers.body` reads. Renderers clean the rows when they write them.
    """
    content, canceled = report.content, report.cancellation
    return replace(
        report,
        district=clean_line(report.district),
        school=_line_or_none(report.school),
        subject=clean_text(report.subject).strip(),
        message_type=clean_line(report.message_type),
        category=_line_or_none(report.category),
        sender=clean_line(report.sender),
        cancellation=None if canceled is None else _clean_cancellation(canceled),
        criteria=[
            Criterion(clean_line(label), clean_text(value)) for label, value in report.criteria
        ],
        content=replace(
            content,
            reply_to=_line_or_none(content.reply_to),
            text_body=_text_or_none(content.text_body),
            voice_script=_text_or_none(content.voice_script),
        ),
    )


def _clean_cancellation(canceled: ReportCancellation) -> ReportCancellation:
    return replace(
        canceled,
        requested_by=_line_or_none(canceled.requested_by),
        reason=_text_or_none(canceled.reason),
    )


def _line_or_none(text: str | None) -> str | None:
    return None if text is None else clean_line(text)


def _text_or_none(text: str | None) -> str | None:
    return None if text is None else clean_text(text)
