"""The days of the sample year: when there is school in Plainview, and when nothing but the manual's messages is sent.

What is sent on a day is not decided here.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final

from server.sample.plainview import ZONE

FIRST_DAY: Final = date(2019, 2, 1)
LAST_DAY: Final = date(2020, 1, 31)

QUIET_FROM: Final = datetime(2020, 1, 31, 10, tzinfo=ZONE)
"""From here on the log holds the manual's rows alone, so that its screens begin with them as the manual's do."""

SNOW_DAY: Final = date(2019, 12, 2)
"""The manual's "School is Cancelled": nobody sends anything else that day."""

_SUMMER: Final = (date(2019, 6, 8), date(2019, 9, 2))
_BREAKS: Final = (
    (date(2019, 2, 18), date(2019, 2, 18)),
    (date(2019, 2, 20), date(2019, 2, 20)),
    (date(2019, 3, 25), date(2019, 3, 29)),
    (date(2019, 4, 19), date(2019, 4, 19)),
    (date(2019, 5, 27), date(2019, 5, 27)),
    _SUMMER,
    (date(2019, 10, 17), date(2019, 10, 18)),
    (date(2019, 11, 27), date(2019, 11, 29)),
    (SNOW_DAY, SNOW_DAY),
    (date(2019, 12, 23), date(2020, 1, 3)),
    (date(2020, 1, 20), date(2020, 1, 20)),
)


def weekdays() -> Iterator[date]:
    """Every Monday to Friday of the year, in order."""
    for offset in range((LAST_DAY - FIRST_DAY).days + 1):
        day = FIRST_DAY + timedelta(days=offset)
        if day.weekday() < 5:
            yield day


def is_school_day(day: date) -> bool:
    """Whether students are in school on this weekday."""
    return not any(first <= day <= last for first, last in _BREAKS)


def is_summer(day: date) -> bool:
    """Whether the day is in the summer vacation, when the offices still write now and then."""
    return _SUMMER[0] <= day <= _SUMMER[1]


def calendar_of(day: date) -> str:
    """The school year that a day belongs to, as calendars are called: "2019-20"."""
    start = day.year if day.month >= 8 else day.year - 1
    return f"{start}-{(start + 1) % 100:02}"
