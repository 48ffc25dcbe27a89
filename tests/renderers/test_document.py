"""Clean texts of a report of any kind."""

from dataclasses import replace

from domain.message import BodyFormat
from renderers.document import (
    Line,
    MessageBody,
    ReportDocument,
    ReportSection,
    ReportSummary,
    with_clean_texts,
)
from tests.renderers.example import CHICAGO, at

DIRTY = " a\x00\u2028b\tc "
TEXT = " a\nb       c "
NAME = "a b c"


def document(text: str, label: str, name: str) -> ReportDocument:
    line = Line(label, text)
    section = ReportSection(title="Section", lines=[line], texts=[line])
    return ReportDocument(
        title="Report",
        subject=text.strip(),
        district=name,
        place=name,
        zone=CHICAGO,
        as_of=at(9),
        heading=[line, Line("Number", 1)],
        summary=ReportSummary(title="Summary", groups=[[line], [line]], below=section),
        sections=[section],
    )


def test_labels_and_names_get_one_line_and_texts_keep_theirs() -> None:
    assert with_clean_texts(document(DIRTY, DIRTY, DIRTY)) == document(TEXT, NAME, NAME)


def test_clean_texts_stay() -> None:
    clean = document(TEXT, NAME, NAME)
    assert with_clean_texts(clean) == clean


def test_the_body_keeps_its_markup() -> None:
    body = MessageBody("Body", DIRTY, BodyFormat.HTML)
    section = ReportSection(title="Message", texts=[body])
    report = replace(document("", "", ""), sections=[section])
    assert with_clean_texts(report).sections[0].texts == [body]


def test_the_lines_of_a_summary_are_in_one_column() -> None:
    one, two, three = (Line(label, 1) for label in "abc")
    below = ReportSection(title="Below", lines=[three])
    assert ReportSummary(title="", groups=[[one], [two]], below=below).lines == [one, two, three]


def test_a_page_shows_that_there_are_no_lines_where_the_section_says_how() -> None:
    assert ReportSection(title="", empty="None.").shown_lines == [("None.", "")]
    assert ReportSection(title="").shown_lines == ()
    assert ReportSection(title="", lines=[Line("a", 1)], empty="None.").shown_lines == [("a", 1)]
