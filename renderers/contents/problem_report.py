"""The worklist of addresses with problems, for the office that corrects them in the student information system."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from domain.message import Criterion
from domain.report import TITLES, ReportKind
from renderers.cells import Clock
from renderers.document import (
    DISTRICT_WIDE,
    Cell,
    DataColumn,
    Line,
    PageColumn,
    PhoneNumber,
    ReportDocument,
    ReportRows,
    ReportSection,
    ReportSummary,
)
from renderers.texts import clean_line

SUBJECT: Final = "Addresses with Problems"
NO_ROWS: Final = "No address has such a problem."
NO_FILTER: Final = Line("Filter", "None: all addresses with a problem")

PAGE_COLUMNS: Final = (
    PageColumn("Address", 96, 1920),
    PageColumn("Problem", 98, 1800),
    PageColumn("Failures", 43, 960),
    PageColumn("Since", 54, 1210),
    PageColumn("Last Failure", 56, 1210),
    PageColumn("People (Students)", 91, 1760),
    PageColumn("What to Do", 90, 1660),
)
DATA_COLUMNS: Final = (
    DataColumn("Address", 34),
    DataColumn("Problem", 24),
    DataColumn("Reason", 42),
    DataColumn("What to Do", 42),
    DataColumn("Failures", 9),
    DataColumn("Since", 21),
    DataColumn("Last Failure", 21),
    DataColumn("People", 42),
    DataColumn("Students", 42),
    DataColumn("Last Message", 42),
    DataColumn("Resolution", 42),
)


class ProblemRow(NamedTuple):
    """An address with a problem. Instants are timezone-aware."""

    address: str
    is_phone: bool
    kind: str
    """The label of the kind of problem."""
    reason: str
    advice: str
    failures: int
    since: datetime
    latest_at: datetime
    people: str
    """`Name (id), Name (id)`; empty: nobody is known."""
    students: str
    last_subject: str | None
    """The subject of the message of the last failure; None if it is not visible."""
    resolution: str | None
    """`Resolved 01/31/2020 by Name: note`; None while the problem is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemReport:
    """Addresses with problems at one moment. `rows` yields them in pages, most failures first; it is read once."""

    district: str
    schools: Sequence[str] = ()
    """The only schools whose messages it shows; none: the whole district."""
    zone: tzinfo
    as_of: datetime
    requested_by: str
    criteria: Sequence[Criterion]
    """The filter in words."""
    counts: Sequence[tuple[str, int]]
    """The label of each kind of problem, and its number."""
    rows: Iterable[Sequence[ProblemRow]] = field(default=(), repr=False)

    def document(self) -> ReportDocument:
        """Return the report for a renderer."""
        counts = [Line(*count) for count in self.counts] or [Line("Problems", 0)]
        middle = (len(counts) + 1) // 2
        criteria = [Line(*criterion) for criterion in self.criteria] or [NO_FILTER]
        return ReportDocument(
            title=TITLES[ReportKind.CONTACT_PROBLEMS],
            subject=SUBJECT,
            district=self.district,
            place=", ".join(self.schools) or DISTRICT_WIDE,
            zone=self.zone,
            as_of=self.as_of,
            heading=[Line("Requested By", clean_line(self.requested_by))],
            summary=ReportSummary(title="Problems", groups=(counts[:middle], counts[middle:])),
            sections=[ReportSection(title="Filter Criteria", lines=criteria)],
            rows=ReportRows(
                title="Addresses",
                empty=NO_ROWS,
                page_columns=PAGE_COLUMNS,
                data_columns=DATA_COLUMNS,
                pages=self.rows,
                page_cells=_page_cells,
                data_cells=_data_cells,
            ),
        )


def _page_cells(clock: Clock) -> Callable[[ProblemRow], tuple[str, ...]]:
    """Return a function that returns the cells of `PAGE_COLUMNS`. A resolution takes the place of the advice."""

    def cells(row: ProblemRow) -> tuple[str, ...]:
        people, students = clean_line(row.people), clean_line(row.students)
        return (
            clean_line(row.address),
            f"{clean_line(row.kind)}: {clean_line(row.reason)}",
            str(row.failures),
            clock.text(row.since),
            clock.text(row.latest_at),
            "\n".join(filter(None, (people, students and f"({students})"))),
            clean_line(row.resolution or row.advice),
        )

    return cells


def _data_cells(_duplicate: str) -> Callable[[ProblemRow], tuple[Cell, ...]]:
    """Return a function that returns the cells of `DATA_COLUMNS`. No address is a duplicate."""

    def cells(row: ProblemRow) -> tuple[Cell, ...]:
        address = clean_line(row.address)
        return (
            PhoneNumber(address) if row.is_phone else address,
            clean_line(row.kind),
            clean_line(row.reason),
            clean_line(row.advice),
            row.failures,
            row.since,
            row.latest_at,
            clean_line(row.people) or None,
            clean_line(row.students) or None,
            clean_line(row.last_subject or "") or None,
            clean_line(row.resolution or "") or None,
        )

    return cells
