"""Signs and scripts in the PDF, read back with pypdf: each is printed or has a stand-in, and U+FFFD never appears."""

import io
import re
import unicodedata

import pypdf
import pytest

from domain.message import BodyFormat
from renderers.contents.message_report import ReportContent
from renderers.pdf import render
from renderers.stand_ins import NUMBER_NOTE
from tests.renderers.example import (
    Composed,
    many_rows,
    one_page,
    rendered,
    row,
    school_is_cancelled,
)
from tests.renderers.scripts import LIVING, OTHERS, SIGNS

SCRIPTS = LIVING | OTHERS
BACKWARDS = {"Adlam", "Hanifi Rohingya"}
"""pypdf does not know that these run from right to left."""


def pages(report: Composed) -> list[str]:
    """Return the text of each page without white space, and without the codes that pypdf gives for half glyphs."""
    reader = pypdf.PdfReader(io.BytesIO(rendered(render, report)), strict=True)
    return [re.sub(r"[\x00-\x20\s]", "", page.extract_text()) for page in reader.pages]


def without_spaces(text: str) -> str:
    return "".join(unicodedata.normalize("NFC", text).replace("\ufe0f", "").split())


def test_every_script_in_living_use_is_printed_and_can_be_searched() -> None:
    rows = [row(script.text, f"of {name}") for name, script in SCRIPTS.items()]
    text = "".join(pages(school_is_cancelled(rows=[rows])))
    unread = {
        name
        for name, script in SCRIPTS.items()
        if f"{without_spaces(script.text)}of{name.replace(' ', '')}" not in text
    }
    assert unread == BACKWARDS
    assert all("".join(reversed(SCRIPTS[name].text)) in text for name in BACKWARDS)
    assert "\ufffd" not in text
    assert "[U+" not in text


def test_signs_are_printed_wherever_a_text_is() -> None:
    report = school_is_cancelled(
        subject=SIGNS[0],
        district=SIGNS[1],
        sender=SIGNS[2],
        content=ReportContent(body="\n\n".join(SIGNS), body_format=BodyFormat.PLAIN),
        rows=[[row(signs, signs) for signs in SIGNS]],
    )
    text = "".join(pages(report))
    assert [signs for signs in SIGNS if text.count(without_spaces(signs)) < 3] == []
    assert "\ufffd" not in text
    assert "[U+" not in text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("\uf0b7 milk \uf0fc", "•milk✓"),
        ("1️⃣ 2️⃣", "1⃣2⃣"),
        ("ﬁ \u3000x", "ﬁx"),
        ("Ana\ufffd", "Ana?"),
        ("\ud800Ana\ufdd0\x07", "Ana"),
        ("\ue000Ana", "[U+E000]Ana"),
        ("𐌰", "[U+10330]"),
        ("Nach\xadricht\u200b5\xa0Uhr", "Nachricht5Uhr"),
    ],
)
def test_a_character_without_a_glyph_gets_a_stand_in(text: str, read: str) -> None:
    (page,) = pages(school_is_cancelled(rows=one_page(row("Before"), row(text, "Behind"))))
    assert f"BeforeNoDevice{read}BehindNoDevice" in page


NOTE = without_spaces(NUMBER_NOTE)


def test_the_note_on_numbers_stands_on_the_pages_that_have_one_and_on_no_other() -> None:
    with_number = row("Ana \ue000")
    rows = [*many_rows(200), [with_number], *many_rows(200)]
    found = pages(school_is_cancelled(rows=rows))
    assert len(found) > 5
    (number,) = [at for at, page in enumerate(found) if "Ana[U+E000]" in page]
    assert 1 < number < len(found) - 1
    assert [at for at, page in enumerate(found) if NOTE in page] == [number]


@pytest.mark.parametrize("field", ["subject", "district"])
def test_a_number_in_what_every_page_repeats_is_explained_on_every_page(field: str) -> None:
    found = pages(school_is_cancelled(rows=many_rows(100), **{field: "Ana \ue000"}))
    assert len(found) > 1
    assert all(NOTE in page and "[U+E000]" in page for page in found)


def test_without_a_number_there_is_no_note() -> None:
    found = pages(school_is_cancelled(rows=one_page(*(row(signs) for signs in SIGNS))))
    assert not any(NOTE in page for page in found)
