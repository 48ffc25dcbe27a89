"""The workbook, read back with openpyxl."""

import io
from datetime import datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.report import ReportDetail
from domain.status import DeliveryMode, DeliveryStatus
from renderers import xlsx
from renderers.texts import clean_line
from tests.renderers.example import (
    EVERY_SCRIPT,
    at,
    by_phone,
    one_page,
    rendered,
    row,
    school_is_cancelled,
)


def read(report: Any) -> Any:
    return openpyxl.load_workbook(io.BytesIO(rendered(xlsx.render, report)), rich_text=False)


def values(sheet: Any) -> list[tuple[object, ...]]:
    return list(sheet.iter_rows(values_only=True))


def test_the_manuals_example_reads() -> None:
    book = read(school_is_cancelled())
    assert book.sheetnames == ["Summary", "Delivery Detail"]
    assert values(book["Summary"]) == [
        ("Sent Message Report", None),
        ("School is Cancelled", None),
        ("Type", "Message Builder - General Notification"),
        ("Sender", "Administrator, System"),
        ("Date Created", datetime(2019, 12, 2, 8, 55)),
        ("Devices Included", "No Device, Email"),
        ("District", "Plainview Schools"),
        ("School", "High School"),
        ("As Of", datetime(2019, 12, 2, 9, 0)),
        (None, None),
        ("Delivery Summary", None),
        ("Start Time", datetime(2019, 12, 2, 8, 54)),
        ("End Time", datetime(2019, 12, 2, 8, 54)),
        ("Duration", "0 minutes"),
        ("Total Recipients", 127),
        ("Total No Device", 34),
        ("Total Inbox", 93),
        ("Total Emails", 3),
        ("Total Voice", 0),
        ("Total Text", 0),
        ("Total Voice Attempted", 0),
        ("Total Text Messages Attempted", 0),
        ("Recipients contacted successfully by phone", 0),
        ("Recipients not contacted by phone", 127),
        (None, None),
        ("Filter Criteria", None),
        ("Deliver To", "Student Messenger Contacts; Message For Each Student"),
        ("Enrollment Filter", "Message Only Active Students"),
        ("Filter Operation", "Union"),
        ("Calendar", "2019-20 High School"),
        ("Limit delivery to contacts that speak", "No Language Preference"),
        (None, None),
        ("Message Detail", None),
        ("Reply To Email", "sysadmin@nomail.com"),
        ("Message Body", "School is cancelled due to weather."),
    ]
    assert values(book["Delivery Detail"]) == [
        ("Recipient", "Student", "Delivery Device", "Mode", "Status", "Code", "Time"),
        (
            "Parent, Heather",
            "Student, Calvin",
            "heather@nomail.com",
            "Email",
            "In-Progress",
            None,
            None,
        ),
        ("Parent, Tad", "Student, Karen", "tad@nomail.com", "Email", "In-Progress", None, None),
        ("Parent, Kris", "Student, Lauren", "kris@nomail.com", "Email", "In-Progress", None, None),
    ]


def test_rows_have_marks_numbers_and_dates() -> None:
    sheet = read(by_phone())["Delivery Detail"]
    assert values(sheet)[1:] == [
        (
            "Parent, Heather",
            "Student, Calvin",
            "+16125550101",
            "Voice",
            "Live Person",
            5,
            datetime(2019, 12, 2, 8, 57),
        ),
        (
            "Parent, Kris*",
            "Student, Lauren",
            "+16125550101†",
            "Text",
            "Text Message Failed",
            -30,
            datetime(2019, 12, 2, 12, 5),
        ),
        ("Parent, Tad*", None, "No Device", None, None, None, None),
    ]
    assert [cell.data_type for cell in sheet[2]] == ["s", "s", "s", "s", "s", "n", "d"]
    assert sheet["G2"].number_format == "mm/dd/yyyy hh:mm AM/PM"


def test_the_detail_can_be_scrolled_filtered_and_printed() -> None:
    sheet = read(by_phone())["Delivery Detail"]
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:G4"
    assert sheet.print_title_rows == "$1:$1"
    assert [sheet.column_dimensions[letter].width for letter in "ABCDEFG"] == [
        30,
        28,
        42,
        9,
        26,
        8,
        21,
    ]


@pytest.mark.parametrize(
    ("detail", "sheets"),
    [
        (ReportDetail.SUMMARY, ["Summary"]),
        (ReportDetail.FAILED_DELIVERY, ["Summary", "Delivery Detail"]),
    ],
)
def test_less_detail_has_less(detail: ReportDetail, sheets: list[str]) -> None:
    book = read(school_is_cancelled(detail=detail))
    assert book.sheetnames == sheets
    assert "Filter Criteria" not in [first for first, _ in values(book["Summary"])]


def test_names_come_in_every_script() -> None:
    rows = one_page(*(row(name) for name in EVERY_SCRIPT))
    sheet = read(school_is_cancelled(rows=rows))["Delivery Detail"]
    assert [line[0] for line in values(sheet)[1:]] == list(EVERY_SCRIPT)


RISKY = st.sampled_from(
    ["=1+1", "+1", "-1", "@SUM(A1)", "#REF!", "#N/A", '=HYPERLINK("x")', "'=1", "{=1}"]
)


@settings(max_examples=30)
@given(st.lists(RISKY | st.text(min_size=1, max_size=10), min_size=1, max_size=8))
@example(["_x000D_", "a\tb", "\x85"])
def test_text_is_text_with_any_first_character(names: list[str]) -> None:
    rows = one_page(
        *(row(name, name, DeliveryMode.EMAIL, name, DeliveryStatus.SENT) for name in names)
    )
    sheet = read(school_is_cancelled(rows=rows, subject=names[0]))["Delivery Detail"]
    for name, line in zip(names, sheet.iter_rows(min_row=2), strict=True):
        for cell in line[:3]:
            assert cell.data_type not in ("f", "e", "d", "b")
            assert (cell.value or "") == clean_line(name)


def test_text_like_a_formula_stays_text_when_it_is_edited() -> None:
    rows = one_page(row("=1+1"), row("Plain"))
    sheet = read(school_is_cancelled(rows=rows))["Delivery Detail"]
    assert sheet["A2"].quotePrefix
    assert not sheet["A3"].quotePrefix


def test_more_rows_than_a_sheet_holds_continue_on_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "ROWS_A_SHEET", 2)
    book = read(school_is_cancelled(rows=one_page(*(row(f"Parent {n}") for n in range(5)))))
    assert book.sheetnames == [
        "Summary",
        "Delivery Detail",
        "Delivery Detail 2",
        "Delivery Detail 3",
    ]
    assert [values(book[name])[-1][0] for name in book.sheetnames[1:]] == [
        "Parent 1",
        "Parent 3",
        "Parent 4",
    ]
    assert [book[name].auto_filter.ref for name in book.sheetnames[1:]] == [
        "A1:G3",
        "A1:G3",
        "A1:G2",
    ]


def test_a_text_that_is_longer_than_a_cell_goes_on_in_the_next() -> None:
    report = school_is_cancelled()
    long = report.content.__class__(
        body="x" * 70_000, body_format=report.content.body_format, reply_to=None
    )
    body = [
        line
        for line in values(read(school_is_cancelled(content=long))["Summary"])
        if "x" * 1000 in str(line[1])
    ]
    assert [line[0] for line in body] == ["Message Body", None, None]
    assert "".join(str(line[1]) for line in body) == "x" * 70_000


def test_a_title_of_many_lines_wraps_over_both_columns_and_has_the_height() -> None:
    sheet = read(school_is_cancelled(subject="One\u2028two\x0bthree\n" + "School is closed " * 12))[
        "Summary"
    ]
    assert sheet["A2"].value == "One\ntwo\nthree\n" + ("School is closed " * 12).strip()
    assert sheet["A2"].alignment.wrap_text
    assert "A2:B2" in sheet.merged_cells
    assert sheet.row_dimensions[2].height == 6 * 27
    assert sheet.row_dimensions[1].height == 16.5
    long = read(school_is_cancelled(subject="Line\n" * 200))["Summary"]
    assert long.row_dimensions[2].height == 405


def test_the_workbook_has_its_properties() -> None:
    properties = read(school_is_cancelled()).properties
    assert properties.title == "Sent Message Report: School is Cancelled"
    assert properties.creator == "Plainview Schools"
    assert properties.language == "en-US"


def test_a_time_without_a_whole_minute_is_cut_to_it() -> None:
    late = at(8, 57).replace(second=59, microsecond=999_999)
    rows = one_page(row("A", None, DeliveryMode.EMAIL, "a@b.org", DeliveryStatus.SENT, at=late))
    assert read(school_is_cancelled(rows=rows))["Delivery Detail"]["G2"].value == datetime(
        2019, 12, 2, 8, 57
    )
