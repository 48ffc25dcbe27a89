"""Estimated widths, and texts that are cut to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from renderers.estimate import about_width, fitting


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("0123456789", 10), ("王小明", 6), ("e\u0301", 1), ("WWW", 5.25), ("\u200d", 0)],
)
def test_a_width_is_measured_in_digits(text: str, width: float) -> None:
    assert about_width(text) == width


@pytest.mark.parametrize(
    ("text", "room", "shown"),
    [
        ("School is closed", 30, "School is closed"),
        ("school is closed", 9, "school…"),
        ("school is closed", 10, "school i…"),
        ("王小明王小明", 6, "王小…"),
        ("aaa\N{COMBINING ACUTE ACCENT}aaa", 4.8, "aaa\N{COMBINING ACUTE ACCENT}…"),
        ("aa👩\N{ZERO WIDTH JOINER}👧x", 6, "aa…"),
        ("abcक\N{DEVANAGARI SIGN VIRAMA}षx", 6.5, "abc…"),
        ("anything", 0, "…"),
    ],
)
def test_a_too_wide_text_is_cut_with_an_ellipsis_between_letters(
    text: str, room: float, shown: str
) -> None:
    assert fitting(text, room) == shown


@given(st.text(), st.floats(2, 60))
def test_a_fitting_text_stays_and_a_cut_text_fits(text: str, room: float) -> None:
    shown = fitting(text, room)
    assert about_width(shown) <= max(room, 2)
    assert shown == text or text.startswith(shown[:-1])
