from datetime import UTC, datetime, time

import pytest

from domain.call_window import CallWindow

CHICAGO = CallWindow(time(8), time(20), "America/Chicago")


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        (datetime(2020, 1, 31, 13, 59, 59, tzinfo=UTC), False),
        (datetime(2020, 1, 31, 14, 0, tzinfo=UTC), True),
        (datetime(2020, 2, 1, 1, 59, 59, tzinfo=UTC), True),
        (datetime(2020, 2, 1, 2, 0, tzinfo=UTC), False),
        # In summer the same local time is an hour earlier in UTC.
        (datetime(2020, 7, 1, 12, 59, 59, tzinfo=UTC), False),
        (datetime(2020, 7, 1, 13, 0, tzinfo=UTC), True),
        # The night of the change to daylight saving time: the local time counts.
        (datetime(2020, 3, 8, 12, 59, 59, tzinfo=UTC), False),
        (datetime(2020, 3, 8, 13, 0, tzinfo=UTC), True),
    ],
)
def test_calls_are_placed_by_the_local_time_of_the_district(now: datetime, is_open: bool) -> None:
    assert CHICAGO.is_open(now) is is_open


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        # before it opens, the same day; at the opening and later, the next day
        (datetime(2020, 1, 31, 13, 59, tzinfo=UTC), datetime(2020, 1, 31, 14, 0, tzinfo=UTC)),
        (datetime(2020, 1, 31, 14, 0, tzinfo=UTC), datetime(2020, 2, 1, 14, 0, tzinfo=UTC)),
        (datetime(2020, 2, 1, 3, 0, tzinfo=UTC), datetime(2020, 2, 1, 14, 0, tzinfo=UTC)),
        # The nights of the changes to and from daylight saving time.
        (datetime(2020, 3, 8, 5, 0, tzinfo=UTC), datetime(2020, 3, 8, 13, 0, tzinfo=UTC)),
        (datetime(2020, 11, 1, 5, 0, tzinfo=UTC), datetime(2020, 11, 1, 14, 0, tzinfo=UTC)),
    ],
)
def test_the_next_opening_is_the_next_local_hour_at_which_calls_begin(
    now: datetime, opens: datetime
) -> None:
    assert CHICAGO.next_opening(now) == opens
    assert CHICAGO.is_open(opens)
