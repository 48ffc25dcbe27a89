"""The PDF, read back with pypdf."""

import io
import re
import unicodedata
from dataclasses import replace
from typing import Any

import pypdf
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.message import BodyFormat
from domain.report import ReportDetail
from domain.status import DeliveryMode, DeliveryStatus
from renderers.contents.message_report import ReportCancellation, ReportContent
from renderers.pdf import render
from tests.renderers.example import (
    DETAIL,
    EVERY_SCRIPT,
    Composed,
    at,
    by_phone,
    many_rows,
    one_page,
    rendered,
    row,
    school_is_cancelled,
)

THE_EXAMPLE = """\
Plainview Schools · High School As of 12/02/2019 09:00 AM
SENT MESSAGE REPORT
School is Cancelled
Type
Message Builder - General Notification
Sender
Administrator, System
Date Created
12/02/2019 08:55 AM
Devices Included
No Device, Email
Delivery Summary
Start Time 12/02/2019 08:54 AM
End Time 12/02/2019 08:54 AM
Duration 0 minutes
Total Recipients 127
Total No Device 34
Total Inbox 93
Total Emails 3
Total Voice 0
Total Text 0
Total Voice Attempted 0
Total Text Messages Attempted 0
Recipients contacted successfully by phone 0
Recipients not contacted by phone 127
Filter Criteria
Deliver To Student Messenger Contacts; Message For Each Student
Enrollment Filter Message Only Active Students
Filter Operation Union
Calendar 2019-20 High School
Limit delivery to contacts
that speak
No Language Preference
Message Detail
Reply To Email sysadmin@nomail.com
Message Body
School is cancelled due to weather.
Delivery Detail
Recipient Student Delivery Device Status Time
Parent, Heather Student, Calvin heather@nomail.com (Email) In-Progress
Parent, Tad Student, Karen tad@nomail.com (Email) In-Progress
Parent, Kris Student, Lauren kris@nomail.com (Email) In-Progress
Plainview Schools · As of 12/02/2019 09:00 AM Page 1 of 1
"""
HEAD = "Recipient Student Delivery Device Status Time"


def read(report: Composed) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(rendered(render, report)), strict=True)


def lines(page: pypdf.PageObject) -> list[str]:
    return [" ".join(line.split()) for line in page.extract_text().splitlines()]


def outline(reader: pypdf.PdfReader) -> list[tuple[object, object]]:
    """Return each bookmark and the number of its page, from 1."""
    found: list[tuple[object, object]] = []
    for entry in reader.outline:
        assert isinstance(entry, pypdf.generic.Destination)
        number = reader.get_destination_page_number(entry)
        assert number is not None
        found.append((entry.title, number + 1))
    return found


def test_the_manuals_example_reads() -> None:
    (page,) = read(school_is_cancelled()).pages
    assert lines(page) == THE_EXAMPLE.splitlines()


def test_rows_have_their_marks_and_a_legend() -> None:
    (page,) = read(by_phone()).pages
    assert lines(page)[-6:-1] == [
        "* Recipient not contacted by phone † Duplicate address: shown, not sent again, not in the totals",
        HEAD,
        *map(" ".join, DETAIL),
        "Parent, Tad* No Device",
    ]


def test_the_file_has_a_title_a_language_and_bookmarks() -> None:
    reader = read(school_is_cancelled())
    catalog: Any = reader.root_object
    assert reader.metadata is not None
    assert reader.metadata.title == "Sent Message Report: School is Cancelled"
    assert catalog["/Lang"] == "en-US"
    assert catalog["/ViewerPreferences"]["/DisplayDocTitle"]
    assert outline(reader) == [
        ("Sent Message Report", 1),
        ("Delivery Summary", 1),
        ("Filter Criteria", 1),
        ("Message Detail", 1),
        ("Delivery Detail", 1),
    ]
    assert tuple(reader.pages[0].mediabox) == (0, 0, 612, 792)


def test_every_page_has_the_head_of_the_table_and_its_number() -> None:
    reader = read(school_is_cancelled(rows=many_rows(300)))
    count = len(reader.pages)
    assert count > 6
    seen: list[str] = []
    for number, page in enumerate(reader.pages, start=1):
        written = lines(page)
        assert (
            written[-1] == f"Plainview Schools · As of 12/02/2019 09:00 AM Page {number} of {count}"
        )
        head = written.index(HEAD)
        if number > 1:
            assert written[:head] == ["School is Cancelled Sent Message Report"]
        seen += re.findall(r"somebody\d+@nomail\.com", " ".join(written[head:]))
    assert seen == [f"somebody{number}@nomail.com" for number in range(300)]


def test_the_same_report_gives_the_same_bytes() -> None:
    report = school_is_cancelled(rows=list(many_rows(200)))
    assert rendered(render, report) == rendered(render, report)


@pytest.mark.parametrize(
    ("detail", "sections"),
    [
        (ReportDetail.SUMMARY, ["Sent Message Report", "Delivery Summary"]),
        (
            ReportDetail.FAILED_DELIVERY,
            ["Sent Message Report", "Delivery Summary", "Delivery Detail"],
        ),
    ],
)
def test_less_detail_has_less(detail: ReportDetail, sections: list[str]) -> None:
    assert [title for title, _ in outline(read(school_is_cancelled(detail=detail)))] == sections


def test_a_report_without_rows_shows_a_note() -> None:
    (page,) = read(school_is_cancelled(rows=())).pages
    assert lines(page)[-2] == "No delivery fits this report."


def test_a_cancellation_is_shown_completely() -> None:
    reason = "Sent to the wrong school: " + "it should have gone elsewhere, " * 6
    cancellation = ReportCancellation(
        requested_at=at(8, 56),
        requested_by="Matthews, Dexter",
        reason=reason,
        stopped=5,
        already_sent=2,
    )
    text = " ".join(lines(read(school_is_cancelled(cancellation=cancellation)).pages[0]))
    assert "Canceled By Matthews, Dexter Canceled At 12/02/2019 08:56 AM" in text
    assert reason.strip() in text
    assert "Deliveries Stopped 5 Sent Before 2" in text


@pytest.mark.parametrize("name", EVERY_SCRIPT[:-1])
def test_a_name_in_any_script_is_printed_and_can_be_searched(name: str) -> None:
    reader = read(school_is_cancelled(rows=one_page(row(name, "Student"))))
    # pypdf does not know ActualText: a glyph that is half of a letter comes out as its code, the ones after it as nothing.
    text = re.sub(r"[\x00-\x20\s]", "", reader.pages[0].extract_text())
    assert "".join(unicodedata.normalize("NFC", name).split()) + "Student" in text
    assert "\N{REPLACEMENT CHARACTER}" not in text


def fonts(reader: pypdf.PdfReader) -> set[str]:
    resources: Any = reader.pages[0]["/Resources"]
    return {font["/BaseFont"].partition("+")[2] for font in resources["/Font"].values()}


def test_a_report_in_english_has_two_fonts_and_only_their_glyphs_that_it_uses() -> None:
    reader = read(school_is_cancelled())
    assert fonts(reader) == {"NotoSans", "NotoSansSemiBold"}
    assert len(rendered(render, school_is_cancelled())) < 40_000


def test_a_chinese_name_brings_one_font_of_which_three_glyphs() -> None:
    report = school_is_cancelled(rows=one_page(row("王小明")))
    assert fonts(read(report)) == {"NotoSans", "NotoSansSemiBold", "NotoSansSC"}
    assert len(rendered(render, report)) < 50_000


def test_only_safe_links_are_clickable() -> None:
    body = (
        "<p>See <a href='https://x.org/ä?q=(1)'>our page</a> or "
        "<a href='javascript:alert(1)'>this</a>.</p><p>"
        + "long " * 40
        + "<a href='tel:+1612'>call</a>"
    )
    content = ReportContent(body=body, body_format=BodyFormat.HTML)
    (page,) = read(school_is_cancelled(content=content)).pages
    annotations: Any = page["/Annots"]
    assert [a.get_object()["/A"]["/URI"] for a in annotations] == [
        "https://x.org/%C3%A4?q=(1)",
        "tel:+1612",
    ]
    assert "See our page (https://x.org/ä?q=(1)) or this." in lines(page)


def test_lines_are_set_in_by_the_spaces_that_they_begin_with() -> None:
    content = ReportContent(
        body="Monday\n    Room 5\nTuesday\n\tRoom 7", body_format=BodyFormat.PLAIN
    )
    (page,) = read(school_is_cancelled(content=content)).pages
    starts: dict[str, float] = {}

    def visit(text: str, matrix: object, place: list[float], *_: object) -> None:
        if text.strip():
            starts[text.strip()] = place[4]

    page.extract_text(visitor_text=visit)
    assert starts["Monday"] == starts["Tuesday"] == 52
    space = (starts["Room 5"] - 52) / 4
    assert space > 2
    assert starts["Room 7"] == pytest.approx(52 + 8 * space, abs=0.02)


def test_a_row_whose_cells_wrap_loses_nothing() -> None:
    name = "Wolfeschlegelsteinhausenbergerdorff-Johansson the Third, Hubert Blaine"
    address = "a.very.long.address.of.somebody@subdomain.example.k12.mn.us"
    rows = one_page(
        row(name, name, DeliveryMode.EMAIL, address, DeliveryStatus.FAILED, call_status=-5)
    )
    (page,) = read(school_is_cancelled(rows=rows)).pages
    text = "".join("".join(lines(page)).split())
    assert "".join(name.split()) * 2 in text
    assert address in text
    assert "NoResponsefromDialer" in text


def test_a_row_that_is_taller_than_a_page_goes_on_over_pages() -> None:
    words = [f"word{number}" for number in range(1200)]
    reader = read(
        school_is_cancelled(rows=one_page(row("Before"), row(" ".join(words)), row("Behind")))
    )
    text = " ".join(line for page in reader.pages for line in lines(page))
    assert re.findall(r"word\d+", text) == words
    assert (
        text.index("Before") < text.index("word0 ") < text.index("word1199") < text.index("Behind")
    )


def test_long_texts_go_on_over_pages() -> None:
    words = [f"word{number}" for number in range(3000)]
    report = school_is_cancelled()
    content = replace(report.content, body=" ".join(words))
    reader = read(school_is_cancelled(content=content, subject="Subject " * 60))
    assert len(reader.pages) > 2
    text = " ".join(line for page in reader.pages for line in lines(page))
    assert re.findall(r"word\d+", text) == words


def test_progress_gets_the_number_of_rows_written() -> None:
    reported: list[int] = []
    report = school_is_cancelled(rows=[[row("A")] * 3, [row("B")] * 2])
    assert render(report.document(), io.BytesIO(), progress=reported.append) == (5,)
    assert reported == [3, 5]


@settings(max_examples=30)
@given(st.text(max_size=40))
@example("(unbalanced \\")
@example("\r \x00 \ud800 \ufffe \u202e")
@example("")
@example("🏳️‍🌈 👩‍👩‍👧‍👦 ☃️ 𠀀")
@example("\u0301\u0301")
@example("אב(גד)[12]{ab}")
@example("\u2067אב\u2069\u202bab\u202c")
def test_any_text_makes_a_valid_file(text: str) -> None:
    content = ReportContent(body=text, body_format=BodyFormat.PLAIN, reply_to=text)
    report = by_phone(subject=text, district=text, content=content, rows=one_page(row(text, text)))
    for page in read(report).pages:
        page.extract_text()


@settings(max_examples=50)
@given(
    st.text(
        alphabet=st.characters(
            min_codepoint=0x20, max_codepoint=0x24F, exclude_categories=["C", "Z", "M"]
        ),
        max_size=12,
        min_size=1,
    )
)
def test_latin_text_reads_as_it_was(text: str) -> None:
    rows = one_page(row("Before"), row(text), row("Behind"))
    written = "".join("".join(lines(read(school_is_cancelled(rows=rows)).pages[0])).split())
    assert f"BeforeNoDevice{text}NoDeviceBehindNoDevice" in written
