"""The CSV, read back with Python's csv."""

import csv
import io
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.message import BodyFormat, Criterion
from domain.report import ReportDetail
from domain.status import DeliveryMode, DeliveryStatus
from renderers.contents.message_report import ReportCancellation, ReportContent
from renderers.csv import render
from renderers.csv_fields import harmless
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
from tests.tables import table

THE_EXAMPLE = """\
Sent Message Report,,,,,,
Subject,School is Cancelled,,,,,
Type,Message Builder - General Notification,,,,,
Sender,"Administrator, System",,,,,
Date Created,12/02/2019 08:55 AM,,,,,
Devices Included,"No Device, Email",,,,,
District,Plainview Schools,,,,,
School,High School,,,,,
As Of,12/02/2019 09:00 AM,,,,,
,,,,,,
Delivery Summary,,,,,,
Start Time,12/02/2019 08:54 AM,,,,,
End Time,12/02/2019 08:54 AM,,,,,
Duration,0 minutes,,,,,
Total Recipients,127,,,,,
Total No Device,34,,,,,
Total Inbox,93,,,,,
Total Emails,3,,,,,
Total Voice,0,,,,,
Total Text,0,,,,,
Total Voice Attempted,0,,,,,
Total Text Messages Attempted,0,,,,,
Recipients contacted successfully by phone,0,,,,,
Recipients not contacted by phone,127,,,,,
,,,,,,
Filter Criteria,,,,,,
Deliver To,Student Messenger Contacts; Message For Each Student,,,,,
Enrollment Filter,Message Only Active Students,,,,,
Filter Operation,Union,,,,,
Calendar,2019-20 High School,,,,,
Limit delivery to contacts that speak,No Language Preference,,,,,
,,,,,,
Message Detail,,,,,,
Reply To Email,sysadmin@nomail.com,,,,,
Message Body,School is cancelled due to weather.,,,,,
,,,,,,
Delivery Detail,,,,,,
Recipient,Student,Delivery Device,Mode,Status,Code,Time
"Parent, Heather","Student, Calvin",heather@nomail.com,Email,In-Progress,,
"Parent, Tad","Student, Karen",tad@nomail.com,Email,In-Progress,,
"Parent, Kris","Student, Lauren",kris@nomail.com,Email,In-Progress,,
"""


def read(file: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(file.decode("utf-8-sig"), newline=""), strict=True))


def test_the_manuals_example_reads() -> None:
    file = rendered(render, school_is_cancelled())
    assert file.decode() == "\ufeff" + THE_EXAMPLE.replace("\n", "\r\n")


def test_a_summary_ends_with_the_summary() -> None:
    lines = read(rendered(render, school_is_cancelled(detail=ReportDetail.SUMMARY)))
    assert lines[0][0] == "Sent Message Report"
    assert lines[-1][:2] == ["Recipients not contacted by phone", "127"]


def test_failed_delivery_has_rows_but_neither_criteria_nor_message() -> None:
    lines = read(rendered(render, school_is_cancelled(detail=ReportDetail.FAILED_DELIVERY)))
    firsts = [line[0] for line in lines]
    assert "Delivery Detail" in firsts
    assert not {"Filter Criteria", "Message Detail"} & set(firsts)


def test_marks_codes_and_numbers_stand_in_their_columns() -> None:
    assert read(rendered(render, by_phone()))[-4:] == [
        *table("""
            Recipient | Student | Delivery Device | Mode | Status | Code | Time
            Parent, Heather | Student, Calvin | +16125550101 | Voice | Live Person | 5 | 12/02/2019 08:57 AM
            Parent, Kris* | Student, Lauren | +16125550101& | Text | Text Message Failed | -30 | 12/02/2019 12:05 PM
        """),
        ["Parent, Tad*", "", "No Device", "", "", "", ""],
    ]


def test_names_come_in_every_script() -> None:
    rows = one_page(*(row(name, name) for name in EVERY_SCRIPT))
    lines = read(rendered(render, school_is_cancelled(rows=rows)))
    assert [line[0] for line in lines[-len(EVERY_SCRIPT) :]] == list(EVERY_SCRIPT)


FORMULAS = [
    '=HYPERLINK("http://x.org","click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\N{FULLWIDTH EQUALS SIGN}1",
    " =1",
]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_formula_survives_in_any_free_text(formula: str) -> None:
    report = school_is_cancelled(
        district=formula,
        school=formula,
        subject=formula,
        message_type=formula,
        sender=formula,
        criteria=(Criterion(formula, formula),),
        cancellation=ReportCancellation(
            requested_at=at(8, 56), requested_by=formula, reason=formula, stopped=1, already_sent=2
        ),
        content=ReportContent(
            body=formula,
            body_format=BodyFormat.PLAIN,
            reply_to=formula,
            text_body=formula,
            voice_script=formula,
        ),
        rows=one_page(
            row(formula, formula, DeliveryMode.EMAIL, formula, DeliveryStatus.SENT),
            row(formula, formula, DeliveryMode.VOICE, formula, DeliveryStatus.SENT),
        ),
    )
    fields = [field for line in read(rendered(render, report)) for field in line]
    assert not [field for field in fields if re.match(r"\s*[=+\-@＝]|[\t\r\n]", field)]  # noqa: RUF001
    assert sum(field[:1] == "'" and formula.strip() in field for field in fields) >= 17


@pytest.mark.parametrize("number", ["+16125550101", "+442071838750", "+16125550101;ext=42"])
def test_a_phone_number_stays_as_it_is(number: str) -> None:
    rows = one_page(row("A", None, DeliveryMode.TEXT, number, DeliveryStatus.SENT, call_status=-27))
    assert read(rendered(render, school_is_cancelled(rows=rows)))[-1][2:6] == [
        number,
        "Text",
        "SMS Sent",
        "-27",
    ]


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), max_size=5))
@example([('quote " comma , line\nfeed', "a\r\nb")])
@example([("half \ud83d", "nul \x00")])
def test_whatever_the_names_every_row_has_seven_fields_and_the_names_in_them(
    names: list[tuple[str, str]],
) -> None:
    rows = one_page(*(row(recipient, student) for recipient, student in names))
    lines = read(rendered(render, school_is_cancelled(rows=rows)))
    assert {len(line) for line in lines} == {7}
    written = [(line[0], line[1]) for line in lines[len(lines) - len(names) :]]
    readable = [tuple(harmless(clean_line(name)) for name in pair) for pair in names]
    assert written == readable


@given(st.text(max_size=30), st.text(max_size=30))
@example("a\x85b\u2028c", "\x07bell\x9b")
@example("\tone\ttwo", "\ttab")
def test_no_cell_has_a_control_character_but_the_line_feeds_of_a_text(text: str, name: str) -> None:
    report = school_is_cancelled(
        subject=text,
        district=text,
        criteria=(Criterion(text, text),),
        content=ReportContent(
            body=text, body_format=BodyFormat.PLAIN, reply_to=text, text_body=text
        ),
        rows=one_page(row(name, name, DeliveryMode.EMAIL, name, DeliveryStatus.SENT)),
    )
    lines = read(rendered(render, report))
    allowed = {"\n"}
    for number, line in enumerate(lines):
        controls = {c for cell in line for c in cell if unicodedata.category(c) in ("Cc", "Cs")}
        assert controls <= (allowed if number < len(lines) - 1 else set())


def test_progress_gets_the_number_of_rows_written() -> None:
    reported: list[int] = []
    report = school_is_cancelled(rows=[[row("A")] * 3, [row("B")] * 2])
    assert render(report.document(), io.BytesIO(), progress=reported.append) == (5,)
    assert reported == [3, 5]
