"""The Word document, read back with python-docx."""

import io
import zipfile
from typing import Any

import docx
import pytest
from docx.oxml.ns import qn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from domain.message import BodyFormat
from domain.report import ReportDetail
from renderers.contents.message_report import ReportCancellation, ReportContent
from renderers.docx import render
from renderers.docx_skeleton import FURNITURE_ROOM
from renderers.estimate import about_width
from renderers.texts import clean_line
from tests.renderers.example import (
    DETAIL,
    EVERY_SCRIPT,
    Composed,
    at,
    by_phone,
    one_page,
    rendered,
    row,
    school_is_cancelled,
)


def read(report: Composed) -> Any:
    return docx.Document(io.BytesIO(rendered(render, report)))


def texts(table: Any) -> list[list[str]]:
    """Return the cells of a table, row by row, directly from the XML, since cell objects are slow."""
    return [
        [
            "\n".join(
                "".join(t.text or "" for t in p.iter(qn("w:t"))) for p in cell.iter(qn("w:p"))
            )
            for cell in line.iter(qn("w:tc"))
        ]
        for line in table._tbl.iter(qn("w:tr"))
    ]


def headings(document: Any) -> list[tuple[str, str]]:
    return [
        (p.style.name, p.text)
        for p in document.paragraphs
        if p.style.name.startswith(("Title", "Heading"))
    ]


def test_the_manuals_example_reads() -> None:
    document = read(school_is_cancelled())
    assert headings(document) == [
        ("Title", "School is Cancelled"),
        ("Heading 1", "Delivery Summary"),
        ("Heading 1", "Filter Criteria"),
        ("Heading 1", "Message Detail"),
        ("Heading 2", "Message Body"),
        ("Heading 1", "Delivery Detail"),
    ]
    heading, summary, criteria, reply, detail = map(texts, document.tables)
    assert heading == [
        [
            "Type\nMessage Builder - General Notification",
            "Sender\nAdministrator, System",
            "Date Created\n12/02/2019 08:55 AM",
            "Devices Included\nNo Device, Email",
        ]
    ]
    assert summary == [
        ["Start Time", "12/02/2019 08:54 AM", "Total Inbox", "93", "Total Voice Attempted", "0"],
        [
            "End Time",
            "12/02/2019 08:54 AM",
            "Total Emails",
            "3",
            "Total Text Messages Attempted",
            "0",
        ],
        [
            "Duration",
            "0 minutes",
            "Total Voice",
            "0",
            "Recipients contacted successfully by phone",
            "0",
        ],
        ["Total Recipients", "127", "Total Text", "0", "Recipients not contacted by phone", "127"],
        ["Total No Device", "34", "", "", "", ""],
    ]
    assert criteria == [
        ["Deliver To", "Student Messenger Contacts; Message For Each Student"],
        ["Enrollment Filter", "Message Only Active Students"],
        ["Filter Operation", "Union"],
        ["Calendar", "2019-20 High School"],
        ["Limit delivery to contacts that speak", "No Language Preference"],
    ]
    assert reply == [["Reply To Email", "sysadmin@nomail.com"]]
    assert detail == [
        ["Recipient", "Student", "Delivery Device", "Status", "Time"],
        ["Parent, Heather", "Student, Calvin", "heather@nomail.com (Email)", "In-Progress", ""],
        ["Parent, Tad", "Student, Karen", "tad@nomail.com (Email)", "In-Progress", ""],
        ["Parent, Kris", "Student, Lauren", "kris@nomail.com (Email)", "In-Progress", ""],
    ]


def test_rows_have_their_marks_and_a_legend() -> None:
    document = read(by_phone())
    assert texts(document.tables[-1])[1:] == [
        *DETAIL,
        ["Parent, Tad*", "", "No Device", "", ""],
    ]
    assert (
        "* Recipient not contacted by phone     † Duplicate address: shown, not sent again, not in the totals"
        in [p.text for p in document.paragraphs]
    )


def test_the_head_of_the_table_is_on_every_page_and_no_row_is_torn() -> None:
    head, first, *_ = read(school_is_cancelled()).tables[-1]._tbl.iter(qn("w:tr"))
    assert head.find(f"{qn('w:trPr')}/{qn('w:tblHeader')}") is not None
    assert first.find(f"{qn('w:trPr')}/{qn('w:tblHeader')}") is None
    assert first.find(f"{qn('w:trPr')}/{qn('w:cantSplit')}") is not None


def test_every_page_says_whose_it_is_and_which_one_it_is() -> None:
    (section,) = read(school_is_cancelled()).sections
    assert (
        section.first_page_header.paragraphs[0].text
        == "Plainview Schools · High School\tAs of 12/02/2019 09:00 AM"
    )
    assert section.header.paragraphs[0].text == "School is Cancelled\tSent Message Report"
    for foot in (section.first_page_footer, section.footer):
        paragraph = foot.paragraphs[0]
        assert paragraph.text == "Plainview Schools · As of 12/02/2019 09:00 AM\tPage 1 of 1"
        fields = [field.text.strip() for field in paragraph._p.iter(qn("w:instrText"))]
        assert fields == ["PAGE", "NUMPAGES"]
    assert (section.page_width.inches, section.page_height.inches) == (8.5, 11)


@pytest.mark.parametrize(
    "subject",
    ["Closed\n" * 40, "Closed\u2028today", "School is closed " * 40, "WWWW" * 60, "王" * 400],
    ids=["many lines", "two lines", "long", "broad", "Chinese"],
)
def test_a_long_title_is_whole_in_the_title_and_one_line_in_the_running_head(subject: str) -> None:
    title = "\n".join(subject.split("\u2028")).strip()
    document = read(school_is_cancelled(subject=subject, district=subject, school=None))
    assert headings(document)[0] == ("Title", title)
    (section,) = document.sections
    for place in (section.header, section.first_page_header, section.footer):
        (paragraph,) = place.paragraphs
        left, _, right = paragraph.text.partition("\t")
        assert "\n" not in left
        assert left.startswith(title.split()[0][:20])
        assert about_width(f"{left}{right}") <= FURNITURE_ROOM
    assert section.header.paragraphs[0].text.endswith(
        "\tSent Message Report" if len(title) < 20 else "…\tSent Message Report"
    )


def test_a_cancellation_stands_below_the_figures() -> None:
    cancellation = ReportCancellation(
        requested_at=at(8, 56),
        requested_by="Matthews, Dexter",
        reason="Wrong",
        stopped=5,
        already_sent=2,
    )
    document = read(school_is_cancelled(cancellation=cancellation))
    assert ("Heading 2", "Cancellation") in headings(document)
    assert texts(document.tables[2]) == [
        ["Canceled By", "Matthews, Dexter"],
        ["Canceled At", "12/02/2019 08:56 AM"],
        ["Reason", "Wrong"],
        ["Deliveries Stopped", "5"],
        ["Sent Before", "2"],
    ]


@pytest.mark.parametrize(
    ("detail", "sections"),
    [
        (ReportDetail.SUMMARY, ["Delivery Summary"]),
        (ReportDetail.FAILED_DELIVERY, ["Delivery Summary", "Delivery Detail"]),
    ],
)
def test_less_detail_has_less(detail: ReportDetail, sections: list[str]) -> None:
    found = headings(read(school_is_cancelled(detail=detail)))
    assert [text for style, text in found if style == "Heading 1"] == sections


def test_a_report_without_rows_shows_a_note() -> None:
    table = read(school_is_cancelled(rows=())).tables[-1]
    assert texts(table)[1:] == [["No delivery fits this report."]]


def test_a_body_keeps_its_paragraphs_lists_and_links() -> None:
    body = "<p>See <a href='https://x.org/a'>our page</a>.</p><ol><li>one<li>two</ol><script>no</script>"
    content = ReportContent(body=body, body_format=BodyFormat.HTML)
    document = read(school_is_cancelled(content=content))
    said = [p for p in document.paragraphs if p.style.name == "Said"]
    assert [p.text for p in said] == ["See our page (https://x.org/a).", "1.\tone", "2.\ttwo"]
    (link,) = said[0].hyperlinks
    assert (link.text, link.address) == ("our page (https://x.org/a)", "https://x.org/a")


def test_right_to_left_text_is_marked() -> None:
    content = ReportContent(body="<p>المدرسة مغلقة</p><p>closed</p>", body_format=BodyFormat.HTML)
    document = read(
        school_is_cancelled(content=content, rows=one_page(row("محمد"), row("Ana محمد")))
    )
    arabic, english = [p for p in document.paragraphs if p.style.name == "Said"]
    assert arabic._p.pPr.find(qn("w:bidi")) is not None
    assert arabic.runs[0].font.rtl
    assert english._p.pPr.find(qn("w:bidi")) is None
    rows = list(document.tables[-1]._tbl.iter(qn("w:tr")))
    for mark in ("w:rtl", "w:bidi"):
        assert [next(line.iter(qn(mark)), None) is not None for line in rows] == [
            *(False, True, False)
        ]


def test_names_come_in_every_script() -> None:
    document = read(school_is_cancelled(rows=one_page(*(row(name) for name in EVERY_SCRIPT))))
    assert [cells[0] for cells in texts(document.tables[-1])[1:]] == list(EVERY_SCRIPT)


HOSTILE = st.sampled_from(
    [
        "</w:t>",
        "<w:p/>",
        "&amp;",
        "&",
        "]]>",
        '<w:tr w:rsidR="00A0B0C0"/>',
        "\x00",
        "\x0c",
        "\ud800",
        "\ufffe",
        "<!--",
    ]
)


@settings(max_examples=40)
@given(st.lists(HOSTILE | st.text(max_size=8), max_size=6).map("".join))
@example('<w:tr w:rsidR="00A0B0C0"/>')
def test_no_text_breaks_the_document(text: str) -> None:
    content = ReportContent(body=text, body_format=BodyFormat.PLAIN, reply_to=text, text_body=text)
    report = by_phone(
        subject=text,
        sender=text,
        district=text,
        content=content,
        rows=one_page(row(text, text), row("Last")),
    )
    detail = texts(read(report).tables[-1])
    shown = clean_line(text)
    assert [line[:2] for line in detail[1:]] == [[shown, shown], ["Last", ""]]


def test_every_part_is_well_formed_and_the_document_says_what_it_is() -> None:
    file = rendered(render, by_phone(subject="A & B <c>"))
    with zipfile.ZipFile(io.BytesIO(file)) as parts:
        assert parts.testzip() is None
        for name in parts.namelist():
            if name.endswith((".xml", ".rels")):
                etree.fromstring(parts.read(name))
    properties = docx.Document(io.BytesIO(file)).core_properties
    assert properties.title == "Sent Message Report: A & B <c>"
    assert (properties.author, properties.language) == ("Plainview Schools", "en-US")
