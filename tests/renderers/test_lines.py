"""Where a line ends, with characters that are all one wide, marks none."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderers.lines import wrapped


def width(text: str) -> float:
    return sum(0 if unicodedata.category(c)[0] == "M" else 1 for c in text)


@pytest.mark.parametrize(
    ("text", "room", "lines"),
    [
        ("", 5, [""]),
        ("short", 5, ["short"]),
        ("two words", 5, ["two", "words"]),
        ("a b c d", 3, ["a b", "c d"]),
        ("a  b", 3, ["a", "b"]),
        (" edges ", 9, ["edges"]),
        ("one\ntwo", 9, ["one", "two"]),
        ("one\n\ntwo", 9, ["one", "", "two"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("so abcdefgh", 5, ["so", "abcde", "fgh"]),
        ("somebody@example.org", 12, ["somebody@", "example.org"]),
        ("a.b.c.d.e", 4, ["a.b.", "c.d.", "e"]),
        ("王小明王小明", 4, ["王小明王", "小明"]),
        ("王小明。王", 3, ["王小", "明。王"]),
        ("ééé", 2, ["éé", "é"]),
    ],
)
def test_text_wraps(text: str, room: float, lines: list[str]) -> None:
    assert wrapped(text, room, width) == lines


@given(st.text(alphabet="ab .@-王é\n", max_size=60), st.integers(min_value=2, max_value=20))
def test_no_line_is_too_wide_and_nothing_but_space_is_lost(text: str, room: int) -> None:
    lines = wrapped(text, room, width)
    assert all(width(line) <= room for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_very_long_text_is_wrapped_all_the_same() -> None:
    assert wrapped("ab " * 10_000, 5, width) == ["ab ab"] * 5_000
