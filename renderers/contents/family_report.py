"""The report on one family: everything that a contact, or the contacts of a student, were sent between two days."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Final, NamedTuple

from domain.people import Role
from domain.report import TITLES, ReportKind
from domain.status import DeliveryMode, DeliveryStatus
from renderers.cells import Clock
from renderers.contents import delivery_rows
from renderers.contents.delivery_rows import DUPLICATE_LINE, DetailRow
from renderers.contents.message_report import type_label
from renderers.document import (
    DISTRICT_WIDE,
    Cell,
    DataColumn,
    Line,
    PageColumn,
    ReportDocument,
    ReportRows,
    ReportSection,
    ReportSummary,
)
from renderers.texts import clean_line

NO_ROWS: Final = "No message was sent to this person between these days."
NO_ROWS_LEFT: Final = "No message that is still kept was sent to this person between these days."
NO_LIMIT: Final = "No limit"
ROLES: Final = {Role.CONTACT: ("Contact", "Students"), Role.STUDENT: ("Student", "Contacts")}
"""What each role is called, and the relatives of such a person."""
REMOVED: Final = ReportSection(
    title="Recipients Removed",
    lines=[
        Line(
            "Recipients Removed",
            "The retention period of these messages is over: it is no longer known whether they were sent to this person.",
        )
    ],
)

PAGE_COLUMNS: Final = (
    PageColumn("Date", 54, 1210),
    PageColumn("Message", 158, 2900),
    PageColumn("Recipient", 90, 1800),
    PageColumn("Delivery Device", 106, 2120),
    PageColumn("Status", 66, 1280),
    PageColumn("Time", 54, 1210),
)
DATA_COLUMNS: Final = (
    DataColumn("Date Created", 21),
    DataColumn("Type", 24),
    DataColumn("Category", 24),
    DataColumn("Subject", 42),
    DataColumn("Sender", 28),
    DataColumn("School", 24),
    *delivery_rows.DATA_COLUMNS,
)


class FamilyRow(NamedTuple):
    """A delivery of a message, or a recipient without a device (`mode` and later fields are None or empty)."""

    created_at: datetime
    """When the message was created. Instants are timezone-aware."""
    message_type: str
    category: str | None
    subject: str
    sender: str
    school: str | None
    """None: sent for the whole district."""
    recipient: str
    student: str | None
    mode: DeliveryMode | None = None
    address: str = ""
    status: DeliveryStatus | None = None
    call_status: int | None = None
    at: datetime | None = None
    is_duplicate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyReport:
    """Everything that one contact, or the contacts of one student, were sent between two days.

    `rows` yields the deliveries in pages, the oldest message first; it is read once.
    """

    district: str
    schools: Sequence[str] = ()
    """The only schools whose messages it shows; none: the whole district."""
    zone: tzinfo
    as_of: datetime
    about: str
    """The name of the person or student."""
    role: Role
    external_id: str
    """The id in the sending system."""
    first_day: date | None
    """A local day; None: no limit."""
    last_day: date | None
    """Included."""
    requested_by: str
    messages: int
    deliveries: int
    """Without duplicates."""
    reached: int
    """Messages of which at least one delivery reached a person."""
    unfinished: int = 0
    """Messages that have reached nobody yet, and have a delivery without an outcome."""
    not_reached: int
    removed: int
    """Messages of these days whose recipients were removed by retention: it is no longer known whether this person got them."""
    relatives: Sequence[str]
    """The students of a contact, or the contacts of a student: `Name (id)`."""
    has_duplicates: bool
    """A row has a duplicate address, so the legend explains its mark."""
    rows: Iterable[Sequence[FamilyRow]] = field(default=(), repr=False)

    def document(self) -> ReportDocument:
        """Return the report for a renderer."""
        role, relatives = ROLES[self.role]
        people = [
            Line(
                role,
                clean_line(
                    f"{self.about} ({self.external_id})" if self.external_id else self.about
                ),
            ),
            Line(relatives, "\n".join(map(clean_line, self.relatives)) or None),
        ]
        return ReportDocument(
            title=TITLES[ReportKind.FAMILY],
            subject=self.about,
            subject_label=role,
            district=self.district,
            place=", ".join(self.schools) or DISTRICT_WIDE,
            zone=self.zone,
            as_of=self.as_of,
            heading=(
                Line("Requested By", clean_line(self.requested_by)),
                Line(f"{role} ID", clean_line(self.external_id)),
                Line("First Day", _day(self.first_day)),
                Line("Last Day", _day(self.last_day)),
            ),
            summary=_summary(self),
            sections=[ReportSection(title="People", lines=people)],
            rows=ReportRows(
                title="Messages",
                legend=[DUPLICATE_LINE] if self.has_duplicates else (),
                empty=NO_ROWS_LEFT if self.removed else NO_ROWS,
                page_columns=PAGE_COLUMNS,
                grouped_by=2,
                data_columns=DATA_COLUMNS,
                pages=self.rows,
                page_cells=_page_cells,
                data_cells=_data_cells,
            ),
        )


def _day(day: date | None) -> str:
    return NO_LIMIT if day is None else f"{day:%m/%d/%Y}"


def _summary(report: FamilyReport) -> ReportSummary:
    """Return the figures, and an explanation if recipients of messages were removed."""
    all_of_them = [Line("Messages", report.messages), Line("Deliveries", report.deliveries)]
    if report.removed:
        all_of_them.append(Line("Messages whose recipients were removed", report.removed))
    return ReportSummary(
        title="Summary",
        groups=(
            all_of_them,
            [
                Line("Messages that reached a person", report.reached),
                *([Line("Messages in progress", report.unfinished)] if report.unfinished else ()),
                Line("Messages that reached nobody", report.not_reached),
            ],
        ),
        below=REMOVED if report.removed else None,
    )


def _page_cells(clock: Clock) -> Callable[[FamilyRow], tuple[str, ...]]:
    """Return a function that returns the cells of `PAGE_COLUMNS`; the first two are the same in all rows of a message."""
    cells_of_delivery = delivery_rows.page_cells(clock, mark="")

    def cells(row: FamilyRow) -> tuple[str, ...]:
        recipient, student, *rest = cells_of_delivery(_delivery(row))
        if student:
            recipient += f"\n({student})"
        return clock.text(row.created_at), _message(row), recipient, *rest

    return cells


def _message(row: FamilyRow) -> str:
    """Return subject, type, and sender with school, each on a line."""
    sender = f"{clean_line(row.sender)} · {clean_line(row.school or DISTRICT_WIDE)}"
    return "\n".join((clean_line(row.subject), type_label(row.message_type, row.category), sender))


def _data_cells(duplicate: str) -> Callable[[FamilyRow], tuple[Cell, ...]]:
    cells_of_delivery = delivery_rows.data_cells(duplicate, mark="")

    def cells(row: FamilyRow) -> tuple[Cell, ...]:
        return (
            row.created_at,
            clean_line(row.message_type),
            clean_line(row.category or "") or None,
            clean_line(row.subject),
            clean_line(row.sender),
            clean_line(row.school or DISTRICT_WIDE),
            *cells_of_delivery(_delivery(row)),
        )

    return cells


def _delivery(row: FamilyRow) -> DetailRow:
    return DetailRow(row.recipient, row.student, True, *row[8:])
