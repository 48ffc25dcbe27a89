"""The head of the PDF's first page stays together with any title; pypdf reads its texts and their positions."""

import io
import itertools
from typing import NamedTuple

import pypdf
import pytest

from domain.message import BodyFormat
from renderers.contents.message_report import ReportContent
from renderers.pdf import render
from renderers.sheet import HEIGHT
from tests.renderers.example import Composed, many_rows, rendered, school_is_cancelled

LABELS = ["Type", "Sender", "Date Created", "Devices Included"]


class Placed(NamedTuple):
    """A text of a page, and the distance of its baseline from the upper edge, in points."""

    text: str
    y: float
    size: float


def placed(page: pypdf.PageObject) -> list[Placed]:
    """Return the texts of a page from top to bottom."""
    found: list[Placed] = []

    def visit(text: str, _cm: object, matrix: list[float], _font: object, size: float) -> None:
        if text.strip():
            found.append(Placed(text.strip(), round(HEIGHT - matrix[5], 2), size))

    page.extract_text(visitor_text=visit)
    return sorted(found, key=lambda each: each.y)


def read(report: Composed) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(rendered(render, report)), strict=True)


def words(count: int) -> str:
    return " ".join(f"title{number}" for number in range(count))


@pytest.mark.parametrize(
    ("title", "size", "lines"),
    [
        ("School is Cancelled", 20, 1),
        ("\n".join(f"Line {number}" for number in range(10)), 14, 10),
        ("\n".join(f"Line {number}" for number in range(25)), 10.5, 25),
        (words(220), 10.5, None),  # 2,000 characters
        ("x" * 2000, 10.5, None),
        ("公告" * 300, 10.5, None),
        ("", 20, 0),
    ],
)
def test_the_head_is_together_on_the_first_page(title: str, size: float, lines: int | None) -> None:
    page = read(school_is_cancelled(subject=title)).pages[0]
    texts = placed(page)
    of_title = [each for each in texts if each.size == size and each.y > 70]
    if lines is not None:
        assert len(of_title) == lines
    shown = "".join("".join(each.text for each in of_title).split())
    assert shown == "".join(title.split())
    rows = [each.y for each in texts if each.text in LABELS]
    assert len(rows) == 4
    assert len(set(rows)) == 1
    (section,) = [each.y for each in texts if each.text == "Delivery Summary"]
    values = [each.y for each in texts if each.text == "Administrator, System"]
    bottom = max((each.y for each in of_title), default=0)
    assert bottom < rows[0] < values[0] < section
    baselines = sorted({each.y for each in of_title})
    assert all(b - a > size for a, b in itertools.pairwise(baselines))


def test_a_title_that_leaves_no_room_takes_its_last_lines_to_the_rows() -> None:
    title = "\n".join(f"Line {number}" for number in range(45))
    first, second, *_ = read(school_is_cancelled(subject=title)).pages
    assert [each.text for each in placed(first)][-2] != "Line 44"
    texts = [each.text for each in placed(second)]
    assert texts.index("Line 43") < texts.index("Line 44") < texts.index("Type")
    assert not {*LABELS} & {each.text for each in placed(first)}


@pytest.mark.parametrize("lines", [40, 80, 300])
def test_a_title_of_several_pages_loses_and_repeats_nothing(lines: int) -> None:
    title = "\n".join(f"Line {number}" for number in range(lines))
    texts = [
        each.text
        for page in read(school_is_cancelled(subject=title)).pages
        for each in placed(page)
        if each.y > 50
    ]
    assert [text for text in texts if text.startswith("Line ")] == title.split("\n")
    assert [text for text in texts if text in LABELS] != []


def test_a_long_value_beside_short_ones_pushes_the_summary_down() -> None:
    texts = placed(read(school_is_cancelled(sender="Sender " * 60)).pages[0])
    last = max(each.y for each in texts if each.text.startswith("Sender"))
    assert last < min(each.y for each in texts if each.text == "Delivery Summary")


def test_values_longer_than_a_page_go_on_over_pages() -> None:
    report = school_is_cancelled(sender=words(900), message_type="Type " * 20)
    text = " ".join(page.extract_text() for page in read(report).pages)
    assert [word for word in text.split() if word.startswith("title")] == words(900).split()


@pytest.mark.parametrize(
    "title", [words(220), "\n".join(["Line"] * 60), "x" * 2000, "5\xa0pm" * 100]
)
def test_the_head_of_later_pages_is_cut_with_an_ellipsis(title: str) -> None:
    reader = read(school_is_cancelled(subject=title, rows=many_rows(100)))
    assert len(reader.pages) > 2
    for page in list(reader.pages)[1:]:
        head = [each for each in placed(page) if each.y < 45]
        assert len({each.y for each in head}) == 1
        assert head[0].text.endswith("…")
        assert head[0].text[:4] == title[:4]
        assert head[-1].text == "Sent Message Report"


def test_a_title_ends_at_soft_hyphens_and_keeps_no_break_spaces() -> None:
    content = ReportContent(body="Nachricht", body_format=BodyFormat.PLAIN)
    title = "Donau\xaddampf\xadschiff 10\xa0Uhr " * 4
    report = school_is_cancelled(subject=title.strip(), content=content)
    lines = [each.text for each in placed(read(report).pages[0]) if each.size == 20]
    assert "".join(lines).replace("-", "").count("Donaudampfschiff") == 4
    assert all("-" not in line[:-1] for line in lines)
    assert not any(line.endswith("10") for line in lines)
