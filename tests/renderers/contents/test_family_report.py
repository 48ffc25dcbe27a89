"""The report on one family, in all formats."""

import csv
import io
import re
from datetime import datetime
from typing import Any, Final

import docx
import openpyxl
import pypdf
import pytest

from domain.people import Role
from domain.report import ReportFormat
from renderers import renderer
from renderers.contents.family_report import NO_ROWS, NO_ROWS_LEFT
from renderers.document import PhoneNumber, ReportRows
from tests.renderers.example import rendered
from tests.renderers.kinds import ARABIC, FAMILY, FAMILY_ROWS, FORMULA, LONG, family
from tests.renderers.reading import READERS

HEAD: Final = [
    *("Date Created", "Type", "Category", "Subject", "Sender", "School"),
    *("Recipient", "Student", "Delivery Device", "Mode", "Status", "Code", "Time"),
]
CLOSED: Final = [
    *("Message Builder", "General Notification", "School is Cancelled", "Administrator, System"),
    *("District-wide", "Parent, Heather", "Student, Calvin"),
]
SURVEY: Final = ["Survey", "Parents", LONG, FAMILY, "Middle School"]


def rows_of(**changes: Any) -> ReportRows[Any]:
    rows = family(**changes).document().rows
    assert rows is not None
    return rows


def test_the_head_says_who_what_and_when() -> None:
    document = family().document()
    assert (document.title, document.subject) == ("Family Report", "Student, Calvin")
    assert document.heading == (
        ("Requested By", "Office, Ann"),
        ("Student ID", "S-17"),
        ("First Day", "12/01/2019"),
        ("Last Day", "12/31/2019"),
    )
    assert document.sections[0].lines == [
        ("Student", "Student, Calvin (S-17)"),
        ("Contacts", f"Parent, Heather (C-1)\n{ARABIC} (C-2)\n{FORMULA} (C-3)"),
    ]


def test_it_names_the_schools_to_which_its_requester_is_limited() -> None:
    assert family().document().place == "District-wide"
    assert family(schools=["East High", "West High"]).document().place == "East High, West High"


def test_a_person_without_an_id_has_no_empty_brackets() -> None:
    assert family(external_id="").document().sections[0].lines[0] == ("Student", "Student, Calvin")


def test_messages_in_progress_are_not_said_to_have_reached_nobody() -> None:
    groups = family(reached=2, unfinished=1, not_reached=3).document().summary.groups
    assert groups[1] == [
        ("Messages that reached a person", 2),
        ("Messages in progress", 1),
        ("Messages that reached nobody", 3),
    ]


def test_without_rows_it_says_whether_messages_were_removed() -> None:
    assert rows_of(rows=(), removed=0).empty == NO_ROWS
    assert rows_of(rows=(), removed=4).empty == NO_ROWS_LEFT


def test_a_contact_has_students_and_open_days_have_no_limit() -> None:
    document = family(role=Role.CONTACT, relatives=(), first_day=None, last_day=None).document()
    assert document.subject_label == "Contact"
    assert document.heading[1:] == (
        ("Contact ID", "S-17"),
        ("First Day", "No limit"),
        ("Last Day", "No limit"),
    )
    assert document.sections[0].lines == [
        ("Contact", "Student, Calvin (S-17)"),
        ("Students", None),
    ]


def test_the_summary_explains_removed_recipients() -> None:
    assert family().document().summary.lines == [
        ("Messages", 3),
        ("Deliveries", 2),
        ("Messages whose recipients were removed", 4),
        ("Messages that reached a person", 1),
        ("Messages that reached nobody", 2),
        (
            "Recipients Removed",
            "The retention period of these messages is over: it is no longer known whether they were sent to this person.",
        ),
    ]


def test_without_removed_recipients_nothing_is_said_about_them() -> None:
    lines = family(removed=0).document().summary.lines
    assert [label for label, _ in lines if "emoved" in label] == []


@pytest.mark.parametrize(("has_duplicates", "marks"), [(True, ["†"]), (False, [])])
def test_the_legend_explains_a_mark_that_a_row_has(has_duplicates: bool, marks: list[str]) -> None:
    assert [mark for mark, _ in rows_of(has_duplicates=has_duplicates).legend] == marks


def test_only_phone_numbers_are_numbers() -> None:
    cells = map(rows_of().data_cells("†"), FAMILY_ROWS)
    assert [type(row[8]) for row in cells] == [PhoneNumber, PhoneNumber, str, str]


def test_a_csv_has_each_part_in_its_column() -> None:
    text = rendered(renderer(ReportFormat.CSV), family()).decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(line) for line in lines} == {13}
    assert lines[:2] == [["Family Report", *[""] * 12], ["Student", "Student, Calvin", *[""] * 11]]
    assert lines[-6][:2] == ["&", "Duplicate address: shown, not sent again, not in the totals"]
    assert lines[-5:] == [
        HEAD,
        [
            *("12/02/2019 08:55 AM", *CLOSED),
            *("+16125550101", "Voice", "Live Person", "5", "12/02/2019 08:57 AM"),
        ],
        [
            *("12/02/2019 08:55 AM", *CLOSED),
            *("+16125550101&", "Text", "Text Message Failed", "-30", "12/02/2019 12:05 PM"),
        ],
        [
            *("12/03/2019 02:30 PM", "Attendance", "", f"'{FORMULA}", "'@Bus Office"),
            *("High School", ARABIC, "Student, Calvin", "No Device", "", "", "", ""),
        ],
        [
            *("12/04/2019 09:00 AM", *SURVEY, f"'{FORMULA}", ""),
            *("'=a@x.example", "Email", "Sent", "", "12/04/2019 09:01 AM"),
        ],
    ]


def test_a_workbook_has_dates_and_numbers() -> None:
    file = rendered(renderer(ReportFormat.XLSX), family())
    book = openpyxl.load_workbook(io.BytesIO(file))
    assert book.sheetnames == ["Summary", "Messages"]
    sheet: Any = book["Messages"]
    assert [list(line) for line in sheet.iter_rows(values_only=True)] == [
        HEAD,
        [
            *(datetime(2019, 12, 2, 8, 55), *CLOSED),
            *("+16125550101", "Voice", "Live Person", 5, datetime(2019, 12, 2, 8, 57)),
        ],
        [
            *(datetime(2019, 12, 2, 8, 55), *CLOSED),
            *("+16125550101†", "Text", "Text Message Failed", -30, datetime(2019, 12, 2, 12, 5)),
        ],
        [
            *(datetime(2019, 12, 3, 14, 30), "Attendance", None, FORMULA, "@Bus Office"),
            *("High School", ARABIC, "Student, Calvin", "No Device", None, None, None, None),
        ],
        [
            *(datetime(2019, 12, 4, 9, 0), *SURVEY, FORMULA, None),
            *("=a@x.example", "Email", "Sent", None, datetime(2019, 12, 4, 9, 1)),
        ],
    ]
    assert [sheet[place].data_type for place in ("D4", "G5", "I5")] == ["s", "s", "s"]
    assert [sheet[place].number_format for place in ("A2", "M2")] == ["mm/dd/yyyy hh:mm AM/PM"] * 2


def test_a_page_shows_the_message_in_its_first_row() -> None:
    file = rendered(renderer(ReportFormat.DOCX), family())
    table = docx.Document(io.BytesIO(file)).tables[-1]
    assert [[cell.text for cell in line.cells] for line in table.rows] == [
        ["Date", "Message", "Recipient", "Delivery Device", "Status", "Time"],
        [
            "12/02/2019 08:55 AM",
            "School is Cancelled\nMessage Builder - General Notification\nAdministrator, System · District-wide",
            "Parent, Heather\n(Student, Calvin)",
            "+16125550101 (Voice)",
            "5 Live Person",
            "12/02/2019 08:57 AM",
        ],
        [
            "12/02/2019 08:55 AM",
            "",
            "Parent, Heather\n(Student, Calvin)",
            "+16125550101† (Text)",
            "-30 Text Message Failed",
            "12/02/2019 12:05 PM",
        ],
        [
            "12/03/2019 02:30 PM",
            f"{FORMULA}\nAttendance\n@Bus Office · High School",
            f"{ARABIC}\n(Student, Calvin)",
            *("No Device", "", ""),
        ],
        [
            "12/04/2019 09:00 AM",
            f"{LONG}\nSurvey - Parents\n{FAMILY} · Middle School",
            FORMULA,
            "=a@x.example (Email)",
            "Sent",
            "12/04/2019 09:01 AM",
        ],
    ]


def test_a_pdf_shows_long_subjects_completely() -> None:
    shown = READERS[ReportFormat.PDF](rendered(renderer(ReportFormat.PDF), family()))
    assert [word for word in shown.split() if word.startswith("word")] == LONG.split()
    assert "5 Live Person" in shown


@pytest.mark.parametrize("format", [ReportFormat.PDF, ReportFormat.DOCX])
def test_a_page_without_rows_says_so(format: ReportFormat) -> None:
    shown = READERS[format](rendered(renderer(format), family(rows=())))
    assert NO_ROWS_LEFT in shown.splitlines()


def test_each_page_of_a_pdf_begins_with_the_message_of_its_first_row() -> None:
    rows = [FAMILY_ROWS[0]._replace(address=f"+1612555{number:04}") for number in range(80)]
    file = rendered(renderer(ReportFormat.PDF), family(rows=[rows]))
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(file)).pages]
    assert len(pages) > 2
    for page in pages:
        assert page.count("School is Cancelled") == 1
        lines = page.splitlines()
        head = lines.index("Date Message Recipient Delivery Device Status Time")
        assert "School is Cancelled" in lines[head + 1 : head + 5]
    shown = re.findall(r"\+1612555\d{4}", "\n".join(pages))
    assert shown == [row.address for row in rows]
