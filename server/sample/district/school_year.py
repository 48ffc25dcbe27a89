"""The days of the sample year: school days, vacations, and the days with the manual's messages only."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final

from server.sample.district.plainview import ZONE

FIRST_DAY: Final = date(2019, 2, 1)
LAST_DAY: Final = date(2020, 1, 31)

QUIET_FROM: Final = datetime(2020, 1, 31, 10, tzinfo=ZONE)
"""From this day on the log has only the manual's messages, so that its first screen equals the manual's."""

SNOW_DAY: Final = date(2019, 12, 2)
"""The manual's "School is Cancelled": no other message on that day."""

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
    """Whether the day is in the summer vacation, in which offices send few messages."""
    return _SUMMER[0] <= day <= _SUMMER[1]


def calendar_of(day: date) -> str:
    """The school year of a day, as calendars name it: "2019-20"."""
    start = day.year if day.month >= 8 else day.year - 1
    return f"{start}-{(start + 1) % 100:02}"
