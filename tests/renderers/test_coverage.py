"""Which file prints which character: the table matches the files, and covers every script in use."""

import unicodedata

import pytest
from fontTools.ttLib import TTFont

from renderers.coverage import BOLD, FOLDER, REGULAR, Coverage, coverage, file_of
from tests.renderers.scripts import LIVING, SIGNS

WITHOUT_A_GLYPH = {
    *range(0x0860, 0x086B),  # the Syriac letters of Malayalam
    0x1B4C,  # an archaic letter of Balinese
    *range(0x31BC, 0x31C0),  # Bopomofo for Cantonese
    *range(0x1AFF0, 0x1AFFF),  # tones of Taiwanese, written with Katakana
    *range(0x1B000, 0x1B168),  # kana of before 1900
    *(0x1E7E7, 0x1E7EC, 0x1E7EF),  # three syllables of Gurage
}
"""Letters of scripts in living use that no Noto font has yet, or one of another thousand glyphs; numbers stand for them."""


def characters_of(name: str) -> set[int]:
    with TTFont(FOLDER / name) as font:
        return set(font.getBestCmap())


def test_the_table_matches_the_files() -> None:
    base = characters_of(REGULAR) & characters_of(BOLD)
    table = coverage()
    has = {file: characters_of(file) for file in set(table.files)}
    for first, last, file in zip(*table, strict=True):
        codes = set(range(first, last + 1))
        assert codes <= has[file]
        assert not codes & base
    assert all(last < first for last, first in zip(table.lasts, table.firsts[1:], strict=False))
    printed = base | {
        code
        for first, last in zip(table.firsts, table.lasts, strict=True)
        for code in range(first, last + 1)
    }
    left = set().union(*has.values()) - printed
    assert [code for code in left if unicodedata.category(chr(code)) not in ("Cc", "Co")] == []


@pytest.mark.parametrize(
    ("code", "file"),
    [(0x0F, None), (0x10, "a"), (0x12, "a"), (0x13, None), (0x20, "b"), (0x21, None)],
)
def test_a_code_point_is_found_in_its_range(code: int, file: str | None) -> None:
    assert Coverage([0x10, 0x20], [0x12, 0x20], ["a", "b"]).file_of(code) == file


def test_every_letter_of_every_script_in_living_use_has_a_glyph() -> None:
    base = characters_of(REGULAR) & characters_of(BOLD)
    prefixes = tuple(prefix for script in LIVING.values() for prefix in script.prefixes)
    letters = {
        code
        for code in range(0x110000)
        if unicodedata.category(chr(code))[0] in "LMN"
        and unicodedata.name(chr(code), "").startswith(prefixes)
    }
    assert len(letters) > 18_000
    missing = {code for code in letters - base if file_of(code) is None}
    if (
        unicodedata.unidata_version == "14.0.0"
    ):  # a later Python knows letters that were added since
        assert missing <= WITHOUT_A_GLYPH
    assert len(missing) < len(letters) / 20


def test_ideographs_beyond_the_basic_plane_have_glyphs_where_names_have_them() -> None:
    assert {file_of(ord(character)) for character in "𠮷𡈽𠜎㐂䶵"} <= {
        "NotoSansJP-Extended.woff",
        "NotoSansTC-Extended.woff",
        "NotoSansSC-Extended.woff",
    }


def test_signs_come_from_fonts_of_signs() -> None:
    files = {file_of(ord(character)) for text in SIGNS for character in text} - {None}
    assert files <= {
        "NotoEmoji-Regular.ttf",
        "NotoMusic-Regular.ttf",
        "NotoSansMath-Regular.woff",
        "NotoSansMono-Boxes.woff",
        "NotoSansSC-Signs.woff",
        "NotoSansSymbols-Regular.woff",
        "NotoSansSymbols2-Regular.woff",
    }
