"""Line breaking, with characters of width one and marks of width zero."""

import unicodedata
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renderers.clusters import clusters
from renderers.lines import on_one_line, wrapped


def width(text: str) -> float:
    hyphen = text.endswith("\xad")
    return hyphen + sum(0 if unicodedata.category(c)[0] in "MC" else 1 for c in text)


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
        ("one\u200btwo three", 5, ["one", "two", "three"]),
        ("one\u200btwo", 9, ["one\u200btwo"]),
        ("Nach\xadricht", 5, ["Nach\xad", "richt"]),
        ("Nach\xadricht", 9, ["Nach\xadricht"]),
        ("Nach\xadricht ab", 9, ["Nach\xadricht", "ab"]),
        ("Nach\xad", 9, ["Nach"]),
        ("to 5\xa0pm on", 6, ["to", "5\xa0pm", "on"]),
        ("10\u202f000 and", 8, ["10\u202f000", "and"]),
        ("ab\u2060cd ef", 5, ["ab\u2060cd", "ef"]),
        ("5\xa0pm12345", 4, ["5\xa0pm", "1234", "5"]),
        ("\xa0 a", 9, ["\xa0 a"]),
        ("王\xa0小明", 3, ["王\xa0小", "明"]),
        ("王「小明」王", 4, ["王「小", "明」王"]),
        ("葛\U000e0100城", 1, ["葛\U000e0100", "城"]),
        ("དང་པོ་དང", 5, ["དང་པོ་", "དང"]),
        ("𠮷野家", 2, ["𠮷野", "家"]),
        ("क्षक्षक्ष", 2, ["क्ष", "क्ष", "क्ष"]),
        ("ខ្មែខ្មែ", 3, ["ខ្មែ", "ខ្មែ"]),
        ("👩‍👩‍👧👩‍👩‍👧", 5, ["👩‍👩‍👧", "👩‍👩‍👧"]),
        ("🇺🇸🇫🇷", 3, ["🇺🇸", "🇫🇷"]),
    ],
)
def test_text_wraps(text: str, room: float, lines: list[str]) -> None:
    assert wrapped(text, room, width) == lines


@given(st.text(alphabet="ab .@-王é\n", max_size=60), st.integers(min_value=2, max_value=20))
def test_no_line_is_too_wide_and_nothing_but_space_is_lost(text: str, room: int) -> None:
    lines = wrapped(text, room, width)
    assert all(width(line) <= room for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(
            ["a", "bc", " ", "\xa0", "\u200b", "\xad", "王", "क्ष", "🇺🇸", "e\u0301", "-"]
        ),
        max_size=30,
    ).map("".join),
    st.integers(min_value=2, max_value=12),
)
def test_a_line_is_a_part_of_the_text_and_ends_between_clusters(text: str, room: int) -> None:
    at = 0
    whole = list(accumulate(map(len, clusters(text)), initial=0))
    for line in wrapped(text, room, width):
        at = text.index(line, at)
        assert at in whole
        at += len(line)
        assert at in whole


def test_a_line_ends_beside_a_no_break_space_only_where_nothing_else_is_left() -> None:
    text = " ".join(["one\xa0two"] * 9)
    assert wrapped(text, 7, width) == ["one\xa0two"] * 9
    assert wrapped("\xa0" * 9, 4, width) == ["\xa0" * 4, "\xa0" * 4, "\xa0"]


@pytest.mark.parametrize(
    ("text", "line"), [(" a \n\x0b b ", "a b"), ("5\xa0pm", "5\xa0pm"), ("a\xad", "a"), ("", "")]
)
def test_a_text_is_put_on_one_line(text: str, line: str) -> None:
    assert on_one_line(text) == line


def test_a_very_long_text_is_wrapped_all_the_same() -> None:
    assert wrapped("ab " * 10_000, 5, width) == ["ab ab"] * 5_000
