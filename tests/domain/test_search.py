"""A typed text matches a displayed text regardless of case, accents and spaces."""

import unicodedata
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.search import date_text, digits_of_phone, fold, fold_date

CHICAGO = ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("nguyen", "Nguyễn, Thị"),
        ("NGUYỄN", "nguyen"),
        ("zoe", "Zoë"),
        ("lukasz", "Łukasz"),
        ("strasse", "Straße"),
        ("ødegard", "Odegård"),
        ("aero", "Ærøskøbing"),
        ("istanbul", "İSTANBUL"),
        ("diyarbakir", "D\N{LATIN SMALL LETTER DOTLESS I}yarbak\N{LATIN SMALL LETTER DOTLESS I}r"),
        ("小明", "王小明"),
        ("محمد", "محمد"),
        ("שרה", "שרה"),
        ("parent, heather", "PARENT,  Heather"),
        ("ﬁne", "Fine"),
        ("100%_", "100%_ sure"),
    ],
)
def test_a_typed_text_matches_a_displayed_text(typed: str, shown: str) -> None:
    assert fold(typed) in fold(shown)


@pytest.mark.parametrize(
    ("typed", "shown"), [("कि", "क"), ("が", "か"), ("nguyen", "Ngyuen"), ("%", "100"), ("_", "x")]
)
def test_another_text_does_not_match(typed: str, shown: str) -> None:
    assert fold(typed) not in fold(shown)


ALIKE = [
    [
        "'",
        "\u2019",
        "\u2018",
        "\u02bc",
        "\u02bb",
        "\u2032",
        "\u00b4",
        "`",
        "\uff07",
        "\u05f3",
        "\ua78c",
    ],
    ['"', "\u201c", "\u201d", "\u201e", "\u00ab", "\u00bb", "\u2033", "\uff02", "\u05f4"],
    [
        "-",
        "\u2010",
        "\u2011",
        "\u2012",
        "\u2013",
        "\u2014",
        "\u2015",
        "\u2212",
        "\uff0d",
        "\u05be",
        "\u2e3a",
    ],
    [" ", "\u00a0", "\u2003", "\u202f", "\u3000", "\t", "\r\n", "\u2028", "  ", "\u00a0 "],
    [
        "",
        "\u200b",
        "\u00ad",
        "\u200d",
        "\u2066",
        "\u202e",
        "\ufeff",
        "\U000e0041",
        "\ufe0f",
        "\u034f",
        "\x07",
    ],
    ["5", "\u0665", "\u06f5", "\u096b", "\u0e55", "\uff15", "\U0001d7d3", "\u2075", "\u2464"],
    ["\u064a", "\u06cc", "\u0649", "\u06d2", "\u0626", "\ufef1", "\u06cc\u0640"],
    ["\u0643", "\u06a9", "\u06aa", "\ufb8e"],
    ["\u0647", "\u0629", "\u06c1", "\u06be", "\u06d5", "\u06c0", "\u06c3", "\u0640\u0647"],
    ["\u0627", "\u0623", "\u0625", "\u0622", "\u0671", "\u0627\u064b", "\ufe8d"],
    ["e", "E", "\u00e9", "e\u0301", "\uff25", "\U0001d41e", "\u1ec5"],
    ["ss", "\u00df", "\u1e9e", "SS"],
    ["fi", "\ufb01", "FI"],
    ["...", "\u2026"],
    ["1/2", "\u00bd", "1\u20442", "1\u22152"],
    ["\u304c", "\u304b\u3099", "\uff76\uff9e".translate({0xFF76: 0x304B, 0xFF9E: 0x3099})],
    ["\uac00", "\u1100\u1161"],
    ["x"],
    ["\u738b"],
]
"""Different notations of texts that people regard as equal."""


@given(st.lists(st.sampled_from(ALIKE), max_size=12), st.data())
def test_texts_that_people_regard_as_equal_have_one_key(
    words: list[list[str]], data: st.DataObject
) -> None:
    one, other = (
        "".join(data.draw(st.sampled_from(ways)) for ways in words) for _ in ("stored", "typed")
    )

    assert fold(one) == fold(other)


def test_different_texts_have_different_keys() -> None:
    keys = [fold(ways[0]) for ways in ALIKE]

    assert (
        len(set(keys)) == len(keys) - 1
    )  # white space alone is nothing, as what cannot be seen is


def begins_a_character(text: str, place: int) -> bool:
    """Return whether a new visible character starts at this place of a text."""
    if place >= len(text):
        return True
    first = unicodedata.normalize("NFKD", text[place])[0]
    is_jamo = "\u1160" <= first <= "\u11ff" or "\ud7b0" <= first <= "\ud7ff"
    return not is_jamo and unicodedata.category(first)[0] != "M"


@given(
    st.text(st.one_of(st.characters(), st.sampled_from("".join(map("".join, ALIKE)))), max_size=20),
    st.data(),
)
def test_any_part_of_a_text_matches_it(text: str, data: st.DataObject) -> None:
    places = [place for place in range(len(text) + 1) if begins_a_character(text, place)]
    begin, end = sorted(data.draw(st.tuples(st.sampled_from(places), st.sampled_from(places))))

    assert fold(text[begin:end]) in fold(text)


def test_what_no_text_can_hold_is_not_taken_out_of_a_needle() -> None:
    assert fold("\0") == "\0"
    assert fold("a\0") not in fold("a")


@given(st.text())
def test_the_key_of_a_key_is_the_same(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(st.characters(max_codepoint=127)), st.text(st.characters(max_codepoint=127)))
def test_the_fast_path_for_ascii_returns_the_same_key(one: str, other: str) -> None:
    accented = fold(one + "\N{LATIN SMALL LETTER E WITH ACUTE}" + other)

    assert accented == fold(one + "e" + other)


@pytest.mark.parametrize(
    ("instant", "zone", "shown"),
    [
        (datetime(2020, 1, 31, 17, 0, tzinfo=UTC), CHICAGO, "01/31/2020 11:00 AM"),
        (datetime(2020, 1, 31, 21, 5, tzinfo=UTC), CHICAGO, "01/31/2020 3:05 PM"),
        (datetime(2020, 2, 1, 6, 0, tzinfo=UTC), CHICAGO, "02/01/2020 12:00 AM"),
        (datetime(2020, 1, 31, 18, 0, tzinfo=UTC), CHICAGO, "01/31/2020 12:00 PM"),
        (datetime(2020, 3, 8, 7, 59, tzinfo=UTC), CHICAGO, "03/08/2020 1:59 AM"),
        (datetime(2020, 3, 8, 8, 0, tzinfo=UTC), CHICAGO, "03/08/2020 3:00 AM"),
        (datetime(2020, 1, 31, 17, 0, tzinfo=UTC), ZoneInfo("Asia/Tokyo"), "02/01/2020 2:00 AM"),
    ],
)
def test_a_date_is_shown_in_local_time_without_a_leading_zero_in_the_hour(
    instant: datetime, zone: ZoneInfo, shown: str
) -> None:
    assert date_text(instant, zone) == shown


@pytest.mark.parametrize(
    ("typed", "shown", "found"),
    [
        ("01/31/2020", "01/31/2020 3:00 PM", True),
        ("03:00 PM", "01/31/2020 3:00 PM", True),
        ("3:00 pm", "01/31/2020 3:00 PM", True),
        ("01/31/2020 03:00 PM", "01/31/2020 3:00 PM", True),
        ("01/31/2020 03:00", "01/31/2020 3:00 PM", True),
        ("01/31/2020  3:00  PM ", "01/31/2020 3:00 PM", True),
        ("01:00", "01/31/2020 1:00 PM", True),
        ("01:00", "01/31/2020 11:00 AM", False),
        ("1:00", "01/31/2020 11:00 AM", True),
        ("11:00", "01/31/2020 11:00 AM", True),
        ("0", "10/30/2020 1:11 AM", True),
        ("02/2020", "01/31/2020 3:00 PM", False),
        ("\u200e01/31/2020\u202f03:00\u2007PM\u200b", "01/31/2020 3:00 PM", True),
        ("\u206603:00\u2069", "01/31/2020 3:00 PM", True),
        ("\u200b01:00", "01/31/2020 11:00 AM", False),
    ],
)
def test_a_part_of_a_date_matches_with_or_without_a_leading_zero_in_the_hour(
    typed: str, shown: str, found: bool
) -> None:
    assert (fold_date(typed) in fold(shown)) is found


@given(st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 31), timezones=st.just(UTC)))
def test_every_date_matches_with_a_leading_zero_in_the_hour(instant: datetime) -> None:
    local = instant.astimezone(CHICAGO)

    assert fold_date(f"{local:%m/%d/%Y %I:%M %p}") == fold(date_text(instant, CHICAGO))


@pytest.mark.parametrize(
    ("typed", "digits"),
    [
        ("(612) 555", "612555"),
        ("+1 612-555.0101", "16125550101"),
        ("555", "555"),
        ("55", None),
        ("- -", None),
        ("", None),
        ("heather", None),
        ("555x", None),
        ("612\u2013555\u20130101", "6125550101"),
        ("\u202a+1\u00a0612\u202c", "1612"),
        ("\u0666\u0661\u0662", "612"),
    ],
)
def test_a_text_that_looks_like_a_phone_number_has_digits(typed: str, digits: str | None) -> None:
    assert digits_of_phone(typed) == digits
