"""Text in visual order, in runs of one font."""

import re
from collections.abc import Iterator

import pytest
from fpdf import FPDF
from fpdf.enums import TextDirection

from renderers.coverage import coverage
from renderers.faces import HUGE, Faces, Style
from renderers.typesetter import Typesetter, in_visual_order
from tests.renderers.example import EVERY_SCRIPT

LTR, RTL = TextDirection.LTR, TextDirection.RTL


@pytest.fixture
def setter() -> Iterator[Typesetter]:
    pdf = FPDF()
    yield Typesetter(Faces(pdf))
    for font in pdf.fonts.values():
        font.close()  # type: ignore[union-attr]


def families(setter: Typesetter, text: str) -> list[str]:
    """Return the font of each run, from left to right."""
    runs = setter.runs(text, Style.REGULAR, 10.0)
    names = {font.i: family for family, font in setter.faces._pdf.fonts.items()}
    return [names[run.font].removeprefix("notosans").partition("-")[0] for run in runs]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Zoë", [("Zoë", LTR)]),
        ("שרה", [("שרה", RTL)]),
        ("Smith, محمد", [("Smith, ", LTR), ("محمد", RTL)]),
        ("محمد*", [("محمد*", RTL)]),
        ("محمد 2024", [("2024", LTR), ("محمد ", RTL)]),
        (
            "a محمد 2024 علي b",
            [("a ", LTR), (" علي", RTL), ("2024", LTR), ("محمد ", RTL), (" b", LTR)],
        ),
        ("שרה (Sarah)", [("Sarah", LTR), ("שרה (", RTL)]),
    ],
)
def test_parts_are_in_visual_order(text: str, parts: list[tuple[str, TextDirection]]) -> None:
    found = in_visual_order(text)
    if text == "שרה (Sarah)":  # the bracket that closes stands at the far left
        assert found == [(")", RTL), *parts]
    else:
        assert found == parts


@pytest.mark.parametrize(
    ("text", "fonts"),
    [
        ("Nguyễn Łukasz Мария Γιώργος", [""]),
        ("王小明, Wei", ["sc", ""]),
        ("Kim 김민준", ["", "kr"]),
        ("محمد علي", ["arabic"]),
        ("שרה (כהן)", ["hebrew"]),
        ("प्रिया", ["devanagari"]),
        ("प्रिया*", ["devanagari", ""]),
        ("e\u0323\u0301", [""]),
        ("snow ☃", ["", "symbols2"]),
        ("snow ☃️", ["", "notoemoji"]),
        ("🎉", ["notoemoji"]),
        ("→ a", ["math", ""]),
        ("বাংলা।", ["bengali"]),
        ("ಅನನ್ಯ", ["kannada"]),
        ("𞤀𞤣𞤤𞤢𞤥", ["adlam"]),
        ("ߒߞߏ", ["nko"]),
        ("𠮷野", ["jp", "sc"]),
        ("", [""]),
    ],
)
def test_a_run_is_in_the_font_of_its_script(
    setter: Typesetter, text: str, fonts: list[str]
) -> None:
    assert families(setter, text) == fonts


@pytest.mark.parametrize("name", EVERY_SCRIPT)
@pytest.mark.parametrize("style", Style)
def test_every_script_has_its_glyphs(setter: Typesetter, name: str, style: Style) -> None:
    base = setter.faces.of_style(style)
    setter.runs(name, style, 10.0)
    assert 0 < setter.width(name, style) < HUGE
    assert ord("\N{REPLACEMENT CHARACTER}") not in base.codes
    assert not [font for font in setter.faces._pdf.fonts.values() if font.missing_glyphs]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "number"),
    [("\U00020000", "[U+20000]"), ("\ue000", "[U+E000]"), ("\U0010f000", "[U+10F000]")],
)
def test_a_character_that_no_font_has_is_shown_by_its_number(
    setter: Typesetter, text: str, number: str
) -> None:
    base = setter.faces.regular
    (run,) = setter.runs(text, Style.REGULAR, 10.0)
    assert run == (base.number, f"{base.literal(number)}Tj", base.width(number), True)
    assert not any(run.has_numbers for run in setter.runs("→ Bus", Style.REGULAR, 10.0))


@pytest.mark.parametrize("text", ["1️⃣", "🇺🇸", "👩‍👩‍👧‍👦", "🏳️‍🌈", "👩‍❤️‍👨", "👍🏽"])
def test_an_emoji_of_several_characters_is_one_picture(setter: Typesetter, text: str) -> None:
    assert families(setter, text) == ["notoemoji"]
    assert setter.width(text, Style.REGULAR) == setter.width("🎉", Style.REGULAR)


def test_a_soft_hyphen_is_visible_only_at_a_line_break(setter: Typesetter) -> None:
    (broken,) = setter.runs("Nach\xad", Style.REGULAR, 10.0)
    (whole,) = setter.runs("Nach\xadricht", Style.REGULAR, 10.0)
    assert broken == setter.runs("Nach-", Style.REGULAR, 10.0)[0]
    assert whole == setter.runs("Nachricht", Style.REGULAR, 10.0)[0]


@pytest.mark.parametrize(
    "text",
    [
        "\u202eabc",
        "a\u200bbc",
        "ab\ufe0fc",
        "abc\x07",
        "a\u2060bc",
        "ab\xadc",
        "abc\ufdd0",
        "a\ud800bc",
    ],
)
def test_invisible_characters_have_no_width(setter: Typesetter, text: str) -> None:
    assert setter.width(text, Style.REGULAR) == setter.width("abc", Style.REGULAR)


def test_the_font_of_a_script_is_opened_on_demand(setter: Typesetter) -> None:
    coverage.cache_clear()
    setter.runs("Plain English – Ünïcödé Иванова", Style.BOLD, 10.0)
    assert coverage.cache_info().currsize == 0
    assert sorted(setter.faces._pdf.fonts) == ["notosans-regular", "notosans-semibold"]
    setter.runs("שרה", Style.BOLD, 10.0)
    assert sorted(setter.faces._pdf.fonts)[2:] == ["notosanshebrew-regular"]


def test_a_mark_stands_over_its_letter_and_takes_no_room(setter: Typesetter) -> None:
    (run,) = setter.runs("q\u0301", Style.REGULAR, 10.0)
    assert run.width == setter.width("q", Style.REGULAR)
    assert run.operators.startswith("/Span <</ActualText <FEFF00710301>>> BDC [(")


def test_letters_join(setter: Typesetter) -> None:
    """The meem in the middle of the name has another glyph than an isolated meem."""
    (name,) = setter.runs("محمد", Style.REGULAR, 10.0)
    (alone,) = setter.runs("م", Style.REGULAR, 10.0)
    (glyph,) = re.findall(r"\([^)]*\)", alone.operators)
    assert glyph not in name.operators
