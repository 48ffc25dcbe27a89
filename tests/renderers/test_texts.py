"""Clean texts for every file format."""

import re
import unicodedata
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderers.texts import clean_line, clean_text

BREAKS: Final = ("\r\n", "\r", "\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029")

OPENING, CLOSING = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068", "\u202c\u2069"

ANY_TEXT = st.text(
    alphabet=st.characters(codec=None)
    | st.sampled_from([*OPENING, *CLOSING, "\t", "\x1c", *BREAKS[1:]])
)


@pytest.mark.parametrize("written", BREAKS, ids=ascii)
def test_each_kind_of_line_break_keeps_words_apart(written: str) -> None:
    assert clean_text(f"one{written}two") == "one\ntwo"
    assert clean_line(f"one {written}{written} two{written}") == "one two"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\tb", "a       b"),
        ("Name\tRoom\nAna\t5", "Name    Room\nAna     5"),
        ("a  b   c", "a  b   c"),
        ("a\N{NO-BREAK SPACE}b\tc", "a\N{NO-BREAK SPACE}b     c"),
        ("a\x1cb\x1fc", "a b c"),
        ("a\x00b\x08c\x7fd\x9fe", "abcde"),
        ("half\ud83d \ufffe\uffff", "half "),
        ("O'Neil, \u202eAna", "O'Neil, Ana"),
        ("\u2068אב\u2069 c", "אב c"),
        ("C++\N{LEFT-TO-RIGHT MARK}", "C++\N{LEFT-TO-RIGHT MARK}"),
        ("می\N{ZERO WIDTH NON-JOINER}خواهم", "می\N{ZERO WIDTH NON-JOINER}خواهم"),
        ("👩\N{ZERO WIDTH JOINER}👧", "👩\N{ZERO WIDTH JOINER}👧"),
    ],
    ids=ascii,
)
def test_spaces_and_signs_stay_and_controls_go(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Ana\r\n", "Ana"),
        ("  Ana\tMaria ", "Ana Maria"),
        ("Ana\N{NO-BREAK SPACE}Maria", "Ana\N{NO-BREAK SPACE}Maria"),
        ("a  b", "a  b"),
    ],
)
def test_a_line_has_one_space_for_a_break_or_a_tab(text: str, line: str) -> None:
    assert clean_line(text) == line


@given(ANY_TEXT)
def test_a_clean_text_has_no_control_but_line_feeds_and_leaves_no_bidi_control_open(
    text: str,
) -> None:
    for clean, allowed in ((clean_text(text), "\n"), (clean_line(text), "")):
        controls = {c for c in clean if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")}
        assert controls <= set(allowed)
        assert _open_bidi_controls(clean) == 0
        clean.encode()
    assert clean_text(clean_text(text)) == clean_text(text)
    assert clean_line(clean_line(text)) == clean_line(text)


@given(ANY_TEXT)
def test_no_visible_character_is_lost(text: str) -> None:
    unseen = re.compile(
        r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
    )
    seen = unseen.sub("", text)
    assert unseen.sub("", clean_text(text)) == unseen.sub("", clean_line(text)) == seen


def _open_bidi_controls(text: str) -> int:
    """Count the embeddings, overrides and isolates of `text` that are unclosed, or closed without an opening."""
    depth = stray = 0
    for character in text:
        if character in OPENING:
            depth += 1
        elif character in CLOSING:
            depth, stray = max(0, depth - 1), stray + (depth == 0)
    return depth + stray
