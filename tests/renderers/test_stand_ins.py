# ruff: noqa: RUF001
"""Stand-ins for characters that no font has; `prints` defines the code points of the test's font."""

import unicodedata

import pytest
from fontTools.ttLib import TTFont

from renderers.coverage import BOLD, FOLDER, REGULAR, file_of
from renderers.stand_ins import WORD_SIGNS, PrintableText, is_hidden, is_joiner, printable


def ascii_only(code: int) -> bool:
    return 0x20 <= code < 0x7F


def latin_and_signs(code: int) -> bool:
    return ascii_only(code) or chr(code) in "•▪➢✓→☐é"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("Bus 5", PrintableText("Bus 5", False)),
        ("𝐁𝐨𝐥𝐝 title", PrintableText("Bold title", False)),
        ("ﬁle ½", PrintableText("file [U+00BD]", True)),  # its form has a sign that this font lacks
        ("①", PrintableText("1", False)),
        ("a\u3000b", PrintableText("a b", False)),
        ("a\tb", PrintableText("a b", False)),
        ("e\u0301", PrintableText("é", False)),
        ("\ue000", PrintableText("[U+E000]", True)),
        ("𐌰", PrintableText("[U+10330]", True)),
        ("Ana\ufffd", PrintableText("Ana?", False)),
        ("\uf0b7 milk", PrintableText("• milk", False)),
        ("\uf0a7\uf0d8\uf0fc\uf0e0", PrintableText("▪➢✓→", False)),
        ("\uf041", PrintableText("•", False)),
        ("a\u200bb\xadc\u2060d\ufeff", PrintableText("abcd", False)),
        ("\x00\x07\x7f\x9b", PrintableText("", False)),
        ("\ud800\ufdd0\ufffe\U0001ffff", PrintableText("", False)),
        ("\u202eabc\u202c", PrintableText("abc", False)),
        ("\U000e0041", PrintableText("", False)),
    ],
)
def test_a_stand_in_is_plain(text: str, seen: PrintableText) -> None:
    assert printable(text, latin_and_signs) == seen


def test_a_skin_tone_is_visible_if_it_chooses_no_form() -> None:
    assert printable("👍🏽", lambda code: True).text == "👍"
    assert printable("a 🏽", lambda code: True).text == "a 🏽"


def test_every_sign_of_word_has_a_glyph() -> None:
    with TTFont(FOLDER / REGULAR) as font:
        base = set(font.getBestCmap())
    assert sorted(WORD_SIGNS) == list(range(0xF020, 0xF100))
    assert [
        sign for sign in WORD_SIGNS.values() if ord(sign) not in base and file_of(ord(sign)) is None
    ] == []


def test_every_character_is_visible_and_never_as_replacement() -> None:
    with TTFont(FOLDER / REGULAR) as regular, TTFont(FOLDER / BOLD) as bold:
        base = set(regular.getBestCmap()) & set(bold.getBestCmap())

    def prints(code: int) -> bool:
        return code in base or file_of(code) is not None

    unseen: set[str] = set()
    for start in range(0, 0x110000, 0x100):
        text = "|".join(map(chr, range(start, start + 0x100)))
        seen = printable(text, prints).text
        assert all(prints(ord(character)) or is_joiner(character) for character in seen)
        assert "\ufffd" not in seen
    for code in range(0x20000):
        character = chr(code)
        if not printable(character, prints).text:
            unseen.add(unicodedata.category(character))
            assert is_hidden(character)
    # Controls, format characters, halves of pairs, what is not assigned for ever, and the fillers of Hangul.
    assert unseen <= {"Cc", "Cf", "Cn", "Cs", "Lo", "Mn", "Zl", "Zp"}
