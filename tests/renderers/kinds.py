"""Examples of the reports that are not on one message, with texts that are hard to show."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final, NamedTuple

from domain.message import Criterion
from domain.people import Role
from domain.status import DeliveryMode, DeliveryStatus
from renderers.contents.family_report import FamilyReport, FamilyRow
from renderers.contents.problem_report import ProblemReport, ProblemRow
from tests.renderers.example import CHICAGO, Composed, at, by_phone, row

FORMULA: Final = '=HYPERLINK("http://x.org")'
ARABIC: Final = "محمد علي"
FAMILY: Final = "👩\u200d👧 Família"
LONG: Final = " ".join(f"word{number}" for number in range(300, 670))
"""A subject of about 3,000 characters."""

CLOSED: Final = (at(8, 55), "Message Builder", "General Notification", "School is Cancelled")
BUS: Final = (at(14, 30, day=3), "Attendance", None, FORMULA, "@Bus Office", "High School")

FAMILY_ROWS: Final = [
    FamilyRow(
        *(*CLOSED, "Administrator, System", None, "Parent, Heather", "Student, Calvin"),
        mode=DeliveryMode.VOICE,
        address="+16125550101",
        status=DeliveryStatus.DELIVERED,
        call_status=5,
        at=at(8, 57),
    ),
    FamilyRow(
        *(*CLOSED, "Administrator, System", None, "Parent, Heather", "Student, Calvin"),
        mode=DeliveryMode.TEXT,
        address="+16125550101",
        status=DeliveryStatus.FAILED,
        call_status=-30,
        at=at(12, 5),
        is_duplicate=True,
    ),
    FamilyRow(*BUS, ARABIC, "Student, Calvin"),
    FamilyRow(
        *(at(9, day=4), "Survey", "Parents", LONG, FAMILY, "Middle\nSchool", FORMULA, None),
        mode=DeliveryMode.EMAIL,
        address="=a@x.example",
        status=DeliveryStatus.SENT,
        at=at(9, 1, day=4),
    ),
]


def family(**changes: Any) -> FamilyReport:
    """Return a report about a student, with `changes`."""
    report = FamilyReport(
        district="Plainview Schools",
        zone=CHICAGO,
        as_of=at(9, day=31),
        about="Student, Calvin",
        role=Role.STUDENT,
        external_id="S-17",
        first_day=date(2019, 12, 1),
        last_day=date(2019, 12, 31),
        requested_by="Office, Ann",
        messages=3,
        deliveries=2,
        reached=1,
        not_reached=2,
        removed=4,
        relatives=("Parent, Heather (C-1)", f"{ARABIC} (C-2)", f"{FORMULA} (C-3)"),
        has_duplicates=True,
        rows=[FAMILY_ROWS[:2], FAMILY_ROWS[2:]],
    )
    return replace(report, **changes)


PROBLEM_ROWS: Final = [
    ProblemRow(
        address="+16125550101",
        is_phone=True,
        kind="Invalid",
        reason="The number or mailbox does not exist.",
        advice="Correct the address in the student information system.",
        failures=12,
        since=at(8, 55),
        latest_at=at(14, 30, day=3),
        people="Parent, Heather (C-1), Parent, Tad (C-2)",
        students="Student, Calvin (S-17)",
        last_subject=LONG,
        resolution=None,
    ),
    ProblemRow(
        address="somebody.with.a.long.name@subdomain.example.org",
        is_phone=False,
        kind="Unreachable",
        reason="The last deliveries all failed.",
        advice="Ask the family whether the address is still in use.",
        failures=3,
        since=at(9),
        latest_at=at(9, day=4),
        people=f"{ARABIC} (C-3)",
        students="",
        last_subject=FORMULA,
        resolution="Resolved 12/05/2019 by Office, Ann: new address",
    ),
    ProblemRow(
        address=FORMULA,
        is_phone=False,
        kind="Complained",
        reason="+1",
        advice="",
        failures=1,
        since=at(9),
        latest_at=at(9),
        people="",
        students="",
        last_subject=None,
        resolution=None,
    ),
]


def problems(**changes: Any) -> ProblemReport:
    """Return a worklist of addresses, with `changes`."""
    report = ProblemReport(
        district="Plainview Schools",
        zone=CHICAGO,
        as_of=at(9, day=31),
        requested_by="Office, Ann",
        criteria=(Criterion("Kind of Problem", "Any"), Criterion("Search", FORMULA)),
        counts=(("Invalid", 1), ("Unreachable", 1), ("Complained", 1)),
        rows=[PROBLEM_ROWS],
    )
    return replace(report, **changes)


class Kind(NamedTuple):
    """A kind of report: its example, which has the parameter `rows`, and one of its rows."""

    example: Callable[..., Composed]
    row: tuple[Any, ...]

    def with_text(self, text: str, **changes: Any) -> Composed:
        """Return the example with `text` in its names and in each text of a row."""
        row = tuple(
            text if isinstance(value, str) and type(value) is str else value for value in self.row
        )
        rows: Sequence[Any] = [[type(self.row)(*row)]]
        return self.example(district=text, rows=rows, **changes)


MESSAGE: Final = Kind(by_phone, row("Ana", "Bo", DeliveryMode.TEXT, "+1612", DeliveryStatus.SENT))
FAMILY_KIND: Final = Kind(family, FAMILY_ROWS[0])
PROBLEMS: Final = Kind(problems, PROBLEM_ROWS[1])
KINDS: Final = {"message": MESSAGE, "family": FAMILY_KIND, "problems": PROBLEMS}
