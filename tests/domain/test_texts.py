import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.texts import one_line, with_line_feeds

BREAKS = ("\r\n", "\r", "\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029")


@pytest.mark.parametrize("written", BREAKS)
def test_each_kind_of_line_break_is_one_line_feed(written: str) -> None:
    assert with_line_feeds(f"one{written}two{written}{written}three") == "one\ntwo\n\nthree"
    assert one_line(f"one{written}two{written}{written}three") == "one two three"


@given(st.lists(st.text(alphabet="ab é王", min_size=1), min_size=1), st.sampled_from(BREAKS))
def test_words_stay_apart_and_nothing_else_changes(words: list[str], written: str) -> None:
    assert with_line_feeds(written.join(words)).split("\n") == words


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  a \t b  ", "a b"),
        ("a\x00b\ud800c\ufffed", "a b c d"),
        ("a\x1cb\x1fc", "a b c"),
        ("x\u200by", "x\u200by"),
        ("\x00\r\n", ""),
    ],
)
def test_one_line_has_single_spaces_for_control_characters(text: str, line: str) -> None:
    assert one_line(text) == line


@given(st.text())
def test_one_line_has_no_line_break_and_can_be_encoded(text: str) -> None:
    line = one_line(text)

    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    line.encode()
