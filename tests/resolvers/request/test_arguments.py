"""Local days become instants: from the first midnight to before the last, also at changes of the clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadUserInput
from resolvers.request.arguments import FIRST_DAY, LAST_DAY, DateRange

ZONES = [
    "America/Chicago",
    "America/Sao_Paulo",  # where the clock once went forward at midnight
    "America/Havana",  # where it goes back to midnight
    "Pacific/Apia",  # which left out a day
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Etc/GMT+12",
]
DAYS = st.dates(FIRST_DAY, LAST_DAY - timedelta(days=1))
zones = st.sampled_from(ZONES).map(ZoneInfo)


def instants(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return DateRange(from_=first, to=last).instants(zone)


@pytest.mark.parametrize(
    ("zone", "day", "begins", "hours"),
    [
        ("America/Chicago", date(2020, 1, 31), "2020-01-31T06:00", 24),
        ("America/Chicago", date(2020, 3, 8), "2020-03-08T06:00", 23),
        ("America/Chicago", date(2020, 11, 1), "2020-11-01T05:00", 25),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00", 23),
        ("America/Havana", date(2020, 11, 1), "2020-11-01T04:00", 25),
        ("UTC", date(2020, 2, 29), "2020-02-29T00:00", 24),
    ],
)
def test_a_day_is_as_long_as_its_clocks_make_it(
    zone: str, day: date, begins: str, hours: int
) -> None:
    first, last = instants(day, day, ZoneInfo(zone))

    assert first == datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert last - first == timedelta(hours=hours)


@given(DAYS, zones)
def test_one_day_ends_where_the_next_begins(day: date, zone: ZoneInfo) -> None:
    next_day = day + timedelta(days=1)

    assert instants(day, day, zone)[1] == instants(next_day, next_day, zone)[0]
    assert instants(day, next_day, zone) == (
        instants(day, day, zone)[0],
        instants(next_day, next_day, zone)[1],
    )


@given(
    st.datetimes(datetime(1901, 1, 1), datetime(9999, 12, 28), timezones=st.just(UTC)),
    zones,
)
def test_an_instant_lies_in_the_day_that_its_clock_shows(instant: datetime, zone: ZoneInfo) -> None:
    day = instant.astimezone(zone).date()

    first, last = instants(day, day, zone)

    assert first <= instant < last


@given(st.dates(), st.dates(), zones)
def test_no_two_days_of_the_calendar_are_a_fault(one: date, other: date, zone: ZoneInfo) -> None:
    first, last = instants(min(one, other), max(one, other), zone)

    assert first <= last
    assert first.tzinfo is last.tzinfo is UTC


def test_days_that_end_before_they_begin_are_refused() -> None:
    with pytest.raises(BadUserInput) as refused:
        instants(date(2020, 2, 1), date(2020, 1, 31), ZoneInfo("UTC"))

    assert refused.value.message == (
        "The days end (2020-01-31) before they begin (2020-02-01). Exchange the two."
    )
