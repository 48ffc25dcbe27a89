"""The worklist of addresses with problems, in all formats."""

import csv
import io
from datetime import datetime
from typing import Any, Final

import docx
import openpyxl
import pytest

from domain.report import ReportFormat
from renderers import renderer
from renderers.contents.problem_report import NO_ROWS
from tests.renderers.example import rendered
from tests.renderers.kinds import ARABIC, FORMULA, LONG, PROBLEM_ROWS, problems
from tests.renderers.reading import READERS
from tests.tables import table

HEAD: Final = [
    *("Address", "Problem", "Reason", "What to Do", "Failures", "Since", "Last Failure"),
    *("People", "Students", "Last Message", "Resolution"),
]
FIRST, SECOND, _ = PROBLEM_ROWS


def test_the_head_has_the_counts_and_the_filter() -> None:
    document = problems().document()
    assert (document.title, document.place) == ("Contact Problem Report", "District-wide")
    assert document.heading == [("Requested By", "Office, Ann")]
    assert document.summary.groups == ([("Invalid", 1), ("Unreachable", 1)], [("Complained", 1)])
    assert document.sections[0].lines == [("Kind of Problem", "Any"), ("Search", FORMULA)]


def test_without_counts_and_filter_it_says_so() -> None:
    document = problems(counts=(), criteria=()).document()
    assert document.summary.groups == ([("Problems", 0)], [])
    assert document.sections[0].lines == [("Filter", "None: all addresses with a problem")]


def test_a_csv_has_each_part_in_its_column() -> None:
    text = rendered(renderer(ReportFormat.CSV), problems()).decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert {len(line) for line in lines} == {11}
    assert lines[0][0] == "Contact Problem Report"
    assert lines[-4:] == [
        HEAD,
        [
            *("+16125550101", "Invalid", FIRST.reason, FIRST.advice, "12"),
            *("12/02/2019 08:55 AM", "12/03/2019 02:30 PM", FIRST.people, FIRST.students, LONG, ""),
        ],
        [
            *(SECOND.address, "Unreachable", SECOND.reason, SECOND.advice, "3"),
            *("12/02/2019 09:00 AM", "12/04/2019 09:00 AM", f"{ARABIC} (C-3)", "", f"'{FORMULA}"),
            "Resolved 12/05/2019 by Office, Ann: new address",
        ],
        [
            *(f"'{FORMULA}", "Complained", "'+1", "", "1"),
            *("12/02/2019 09:00 AM", "12/02/2019 09:00 AM", "", "", "", ""),
        ],
    ]


def test_a_workbook_has_dates_and_numbers() -> None:
    book = openpyxl.load_workbook(io.BytesIO(rendered(renderer(ReportFormat.XLSX), problems())))
    assert book.sheetnames == ["Summary", "Addresses"]
    sheet: Any = book["Addresses"]
    nine = datetime(2019, 12, 2, 9)
    assert [list(line) for line in sheet.iter_rows(values_only=True)] == [
        HEAD,
        [
            *("+16125550101", "Invalid", FIRST.reason, FIRST.advice, 12),
            *(datetime(2019, 12, 2, 8, 55), datetime(2019, 12, 3, 14, 30)),
            *(FIRST.people, FIRST.students, LONG, None),
        ],
        [
            *(SECOND.address, "Unreachable", SECOND.reason, SECOND.advice, 3),
            *(nine, datetime(2019, 12, 4, 9), f"{ARABIC} (C-3)", None, FORMULA, SECOND.resolution),
        ],
        [FORMULA, "Complained", "+1", None, 1, nine, nine, None, None, None, None],
    ]
    places = ("A2", "E2", "F2", "G2", "J3", "A4", "C4")
    assert [sheet[place].data_type for place in places] == ["s", "n", "d", "d", "s", "s", "s"]
    assert [sheet[place].quotePrefix for place in ("A2", "A4", "C4")] == [False, True, True]


def test_a_page_shows_the_advice_or_the_resolution() -> None:
    file = rendered(renderer(ReportFormat.DOCX), problems())
    rows = docx.Document(io.BytesIO(file)).tables[-1].rows
    assert [[cell.text.replace("\n", " ") for cell in line.cells] for line in rows] == [
        *table(f"""
            Address | Problem | Failures | Since | Last Failure | People (Students) | What to Do
            +16125550101 | Invalid: {FIRST.reason} | 12 | 12/02/2019 08:55 AM | 12/03/2019 02:30 PM | {FIRST.people} ({FIRST.students}) | {FIRST.advice}
            {SECOND.address} | Unreachable: {SECOND.reason} | 3 | 12/02/2019 09:00 AM | 12/04/2019 09:00 AM | {SECOND.people} | {SECOND.resolution}
        """),
        [
            *(FORMULA, "Complained: +1", "1", "12/02/2019 09:00 AM", "12/02/2019 09:00 AM"),
            *("", ""),
        ],
    ]


def test_a_pdf_shows_all_of_an_address() -> None:
    shown = READERS[ReportFormat.PDF](rendered(renderer(ReportFormat.PDF), problems()))
    assert SECOND.address in "".join(shown.split())


@pytest.mark.parametrize("format", [ReportFormat.PDF, ReportFormat.DOCX])
def test_a_page_without_rows_says_so(format: ReportFormat) -> None:
    shown = READERS[format](rendered(renderer(format), problems(rows=(), counts=(), criteria=())))
    assert NO_ROWS in shown.splitlines()


def test_it_names_the_schools_to_which_its_requester_is_limited() -> None:
    assert problems(schools=["East High"]).document().place == "East High"
