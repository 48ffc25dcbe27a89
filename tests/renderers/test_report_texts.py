"""Real texts in the four formats, each read back with its own library."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from domain.message import BodyFormat, Criterion
from domain.report import ReportFormat
from domain.status import DeliveryMode, DeliveryStatus
from renderers import renderer
from renderers.contents.message_report import MessageReport, ReportContent
from tests.cases import cases
from tests.renderers.example import by_phone, one_page, rendered, row
from tests.renderers.reading import READERS

CASES: Final = cases("report_texts")


def report(text: str) -> MessageReport:
    """Return a report with `text` as subject, body, criterion and names."""
    plain = by_phone()
    return replace(
        plain,
        subject=text,
        criteria=(Criterion("Deliver To", text),),
        content=ReportContent(body=text, body_format=BodyFormat.PLAIN, text_body=text),
        rows=one_page(
            row(text, None, DeliveryMode.EMAIL, "a@x.example", DeliveryStatus.SENT, contacted=False)
        ),
    )


def choices(case: Mapping[str, Any]) -> list[list[str]]:
    """Return the two ways in which a reader may see the lines."""
    first = case.get("lines", [case.get("reads", case["text"])])
    return [first, [case["or_else"]]] if "or_else" in case else [first]


def squeezed(text: str) -> str:
    """Return `text` without white space and controls, which pypdf gives for partial glyphs."""
    return re.sub(r"[\x00-\x20\s]", "", unicodedata.normalize("NFC", text))


@pytest.mark.parametrize("format", ReportFormat)
def test_each_format_shows_the_texts_from_the_field(format: ReportFormat) -> None:
    for number, case in enumerate(CASES):
        if format not in case.get("formats", list(ReportFormat)):
            continue
        shown = READERS[format](rendered(renderer(format), report(case["text"])))
        lines = [squeezed(line) for line in shown.split("\n")]
        # Subject, body and text message have the lines; a criterion too, but beside its label in a PDF.
        assert any(
            all(lines.count(squeezed(line)) >= 3 for line in expected)
            # A name in the table is on one line, and its mark stands behind it.
            and f"{squeezed(''.join(expected))}*" in squeezed(shown)
            for expected in choices(case)
        ), (number, lines)
        assert "\N{REPLACEMENT CHARACTER}" not in shown
        assert not set("\x0b\x85\u2028\u2029\u202e") & set(shown)


@pytest.mark.parametrize("format", ReportFormat)
def test_each_kind_of_line_break_is_one_in_each_format(format: ReportFormat) -> None:
    breaks = ("\r\n", "\r", "\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029")
    words = [f"word{number}" for number in range(len(breaks) + 1)]
    text = "".join(map("".join, zip(words, (*breaks, ""), strict=True)))
    shown = READERS[format](rendered(renderer(format), report(text)))
    lines = [line.strip() for line in shown.split("\n")]
    for word in words[1:]:
        assert lines.count(word) >= 4 - (format is ReportFormat.PDF)
    assert f"{' '.join(words)}*" in " ".join(lines)


@pytest.mark.parametrize("format", ReportFormat)
@pytest.mark.parametrize(
    ("body", "body_format"),
    [
        ("Bus\tTime\n  5\t8:05", BodyFormat.PLAIN),
        ("<pre>Bus\tTime\n  5\t8:05</pre>", BodyFormat.HTML),
    ],
    ids=["plain", "pre"],
)
def test_tabs_and_runs_of_spaces_keep_their_room(
    format: ReportFormat, body: str, body_format: BodyFormat
) -> None:
    typed = replace(by_phone(), content=ReportContent(body=body, body_format=body_format))
    shown = READERS[format](rendered(renderer(format), typed))
    lines = [line.rstrip() for line in shown.split("\n")]
    # What pypdf reads of the white space at the start of a line in a PDF is nothing; `test_pdf` looks at the place instead.
    first = "5     8:05" if format is ReportFormat.PDF else "  5     8:05"
    assert "Bus     Time" in lines
    assert first in lines


@pytest.mark.parametrize("format", ReportFormat)
def test_the_private_bullets_of_word_are_signs_in_each_format(format: ReportFormat) -> None:
    text = "\uf0b7 milk \uf0a7 eggs \uf0d8 bread \uf0fc all"
    shown = READERS[format](rendered(renderer(format), report(text)))
    lines = [squeezed(line) for line in shown.split("\n")]
    assert lines.count(squeezed("• milk ▪ eggs ➢ bread ✓ all")) >= 3
    assert not set("\uf0b7\uf0a7\uf0d8\uf0fc") & set(shown)
