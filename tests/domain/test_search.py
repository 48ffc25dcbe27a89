"""The promise: what somebody types is found in what is shown, whatever the case, the accents and the spaces."""

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
def test_what_is_typed_is_found_in_what_is_shown(typed: str, shown: str) -> None:
    assert fold(typed) in fold(shown)


@pytest.mark.parametrize(
    ("typed", "shown"), [("कि", "क"), ("が", "か"), ("nguyen", "Ngyuen"), ("%", "100"), ("_", "x")]
)
def test_another_text_is_not_found(typed: str, shown: str) -> None:
    assert fold(typed) not in fold(shown)


@given(st.text())
def test_a_key_is_its_own_key(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(st.characters(max_codepoint=127)), st.text(st.characters(max_codepoint=127)))
def test_the_quick_way_for_plain_letters_leads_to_the_same_key(one: str, other: str) -> None:
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
def test_a_date_is_shown_on_the_wall_clock_without_a_zero_before_the_hour(
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
    ],
)
def test_a_part_of_a_date_is_found_as_it_is_shown_or_with_a_zero_before_the_hour(
    typed: str, shown: str, found: bool
) -> None:
    assert (fold_date(typed) in fold(shown)) is found


@given(st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 31), timezones=st.just(UTC)))
def test_every_shown_date_is_found_with_a_zero_before_the_hour(instant: datetime) -> None:
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
    ],
)
def test_the_digits_of_what_reads_as_a_phone_number(typed: str, digits: str | None) -> None:
    assert digits_of_phone(typed) == digits
