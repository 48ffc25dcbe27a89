"""The report on one message, with titles, lines and columns in the order of the manual's example.

`domain.report` decides which rows of a message are in it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import Final

from domain.counting import Figures
from domain.message import BodyFormat, Criterion
from domain.modes import PHONE_MODES
from domain.report import DEVICE_LABELS, TITLES, ReportDetail, ReportDevice, ReportKind
from domain.status import DeliveryMode
from renderers.contents.delivery_rows import (
    DATA_COLUMNS,
    DUPLICATE_LINE,
    NOT_CONTACTED,
    PAGE_COLUMNS,
    DetailRow,
    csv_line,
    data_cells,
    page_cells,
)
from renderers.document import (
    DISTRICT_WIDE,
    Line,
    MessageBody,
    ReportDocument,
    ReportRows,
    ReportSection,
    ReportSummary,
)
from renderers.texts import clean_line, clean_text

NO_ROWS: Final = "No delivery fits this report."


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
class MessageReport:
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

    def document(self) -> ReportDocument:
        """Return the report for a renderer."""
        return ReportDocument(
            title=TITLES[ReportKind.MESSAGE],
            subject=self.subject,
            district=self.district,
            place=clean_line(self.school or "") or DISTRICT_WIDE,
            zone=self.zone,
            as_of=self.as_of,
            heading=_heading(self),
            summary=ReportSummary(
                title="Delivery Summary",
                groups=_summary(self),
                below=None if self.cancellation is None else _cancellation(self.cancellation),
            ),
            sections=_sections(self) if self.detail is ReportDetail.ALL else (),
            rows=None if self.detail is ReportDetail.SUMMARY else _rows(self),
        )


def _heading(report: MessageReport) -> tuple[Line, ...]:
    """Return the lines below the subject."""
    return (
        Line("Type", type_label(report.message_type, report.category)),
        Line("Sender", clean_line(report.sender)),
        Line("Date Created", report.created_at),
        Line("Devices Included", ", ".join(DEVICE_LABELS[device] for device in report.devices)),
    )


def type_label(message_type: str, category: str | None) -> str:
    """Return type and category, such as `Message Builder - General Notification`."""
    return " - ".join(filter(None, (clean_line(message_type), clean_line(category or ""))))


def _summary(report: MessageReport) -> tuple[tuple[Line, ...], ...]:
    """Return the Delivery Summary in the manual's three columns.

    The figures are those of the whole message, for any chosen devices; of a purged message, those from before the purge.
    """
    figures = report.figures
    people = [Line("Total Recipients", figures.total_recipients)]
    if ReportDevice.NO_DEVICE in report.devices:
        people.append(Line("Total No Device", figures.total_no_device))
    if report.purged_at is not None:
        people.append(Line("Recipients Removed", report.purged_at))
    return (
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


def _duration(start: datetime | None, end: datetime | None) -> str | None:
    if start is None or end is None:
        return None
    minutes = (end - start) // timedelta(minutes=1)
    return "1 minute" if minutes == 1 else f"{minutes} minutes"


def _cancellation(canceled: ReportCancellation) -> ReportSection:
    by = clean_line(canceled.requested_by or "")
    lines = (
        Line("Canceled By", by or "The system"),
        Line("Canceled At", canceled.requested_at),
        Line("Reason", canceled.reason),
        Line("Deliveries Stopped", canceled.stopped),
        Line("Sent Before", canceled.already_sent),
    )
    return ReportSection(title="Cancellation", lines=lines)


def _sections(report: MessageReport) -> tuple[ReportSection, ...]:
    content = report.content
    criteria = ReportSection(
        title="Filter Criteria",
        lines=[Line(*criterion) for criterion in report.criteria],
        empty="No criteria were recorded.",
    )
    message = ReportSection(
        title="Message Detail",
        lines=[Line("Reply To Email", clean_line(content.reply_to or ""))],
        texts=[
            MessageBody("Message Body", content.body, content.body_format),
            *_separate_texts(content),
        ],
    )
    return criteria, message


def _separate_texts(content: ReportContent) -> Iterator[Line]:
    """Yield the text message and the voice script, if they differ from the body."""
    for label, text in (
        ("Text Message", content.text_body),
        ("Voice Script", content.voice_script),
    ):
        if shown := clean_text(text or ""):
            yield Line(label, shown)


def _rows(report: MessageReport) -> ReportRows[DetailRow]:
    """Return the Delivery Detail.

    People who were not contacted by phone are marked only in a message by voice or text. The legend explains only marks that a
    row has.
    """
    marks_contact = bool(report.modes & PHONE_MODES)
    mark = NOT_CONTACTED if marks_contact else ""
    legend = []
    if marks_contact and report.has_not_contacted:
        legend.append(Line(NOT_CONTACTED, "Recipient not contacted by phone"))
    if report.has_duplicates:
        legend.append(DUPLICATE_LINE)
    return ReportRows(
        title="Delivery Detail",
        legend=legend,
        empty=NO_ROWS,
        page_columns=PAGE_COLUMNS,
        data_columns=DATA_COLUMNS,
        pages=report.rows,
        page_cells=partial(page_cells, mark=mark),
        data_cells=partial(data_cells, mark=mark),
        csv_line=partial(csv_line, mark=mark),
    )
