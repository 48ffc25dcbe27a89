"""Times as text."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from renderers.cells import Clock
from tests.renderers.example import CHICAGO


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(2020, 1, 31, 21, 0, tzinfo=UTC), "01/31/2020 03:00 PM"),
        (datetime(2020, 1, 31, 6, 5, 59, tzinfo=UTC), "01/31/2020 12:05 AM"),
        (datetime(2020, 1, 31, 18, 0, tzinfo=UTC), "01/31/2020 12:00 PM"),
        (datetime(2020, 7, 1, 20, 0, tzinfo=UTC), "07/01/2020 03:00 PM"),  # daylight saving time
        (datetime(1969, 12, 31, 23, 59, 30, tzinfo=UTC), "12/31/1969 05:59 PM"),
    ],
)
def test_a_time_is_the_districts_with_two_digits_for_the_hour(instant: datetime, text: str) -> None:
    assert Clock(CHICAGO).text(instant) == text


def test_both_passes_of_the_hour_that_comes_twice_read_alike() -> None:
    clock = Clock(CHICAGO)
    first = datetime(2019, 11, 3, 6, 30, tzinfo=UTC)
    assert clock.text(first) == clock.text(first + timedelta(hours=1)) == "11/03/2019 01:30 AM"


def test_a_clock_remembers_a_bounded_number_of_minutes() -> None:
    clock = Clock(ZoneInfo("UTC"))
    start = datetime(2020, 1, 1, tzinfo=UTC)
    for minute in range(20_000):
        clock.text(start + timedelta(minutes=minute))
    assert len(clock._texts) <= 8192
    assert clock.text(start) == "01/01/2020 12:00 AM"
