"""Figures over many messages: buckets of delays, rates, limits, and which days are read from which rows."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BadUserInput
from domain.figures import (
    BOUNDS,
    LONGEST_DELAY,
    MOST_RANGES,
    NO_DELAY,
    ONE_DAY,
    DayRange,
    FigureDimension,
    cover,
    delay_of,
    failure_rate,
    middle_of,
    require_figures,
    require_rows,
)
from domain.status import DeliveryStatus
from tests.tables import table

NOON = datetime(2020, 1, 31, 18, tzinfo=UTC)
DAYS = st.dates(date(2019, 1, 1), date(2021, 12, 31))


def bucket(seconds: float) -> int:
    return delay_of(DeliveryStatus.SENT, NOON, NOON + timedelta(seconds=seconds))


@given(st.integers(0, LONGEST_DELAY))
def test_the_value_of_a_bucket_is_within_ten_percent_of_each_delay(seconds: int) -> None:
    value = middle_of(bucket(seconds))

    assert abs(value - seconds) <= seconds / 10


def test_an_outcome_before_the_handover_counts_as_no_delay_and_an_endless_one_as_the_longest() -> (
    None
):
    assert bucket(-3) == 0
    assert bucket(10 * LONGEST_DELAY) == BOUNDS[-1]


def test_only_a_handover_with_an_outcome_has_a_delay() -> None:
    for status in DeliveryStatus:
        has_outcome = status in ("SENT", "DELIVERED", "FAILED")
        assert (delay_of(status, NOON, NOON) == 0) == has_outcome
        assert delay_of(status, None, NOON) == delay_of(status, NOON, None) == NO_DELAY


def test_a_rate_of_fewer_than_twenty_outcomes_is_null() -> None:
    assert failure_rate(19, 19) is None
    assert failure_rate(1, 20) == 0.05


REFUSED = """
    2020-01-01 | 2219-12-31 | DAY          | createdBetween has 73,048 days (2020-01-01 to 2219-12-31). Figures are for at most 3,660 days: ask for fewer years.
    2020-01-01 | 2030-01-08 | MONTH        | createdBetween has 3,661 days (2020-01-01 to 2030-01-08). Figures are for at most 3,660 days: ask for fewer years.
    2020-01-01 | 2020-12-31 | MODE MODE    | groupBy names MODE twice. Name each dimension once.
    2020-01-01 | 2020-12-31 | DAY WEEK     | groupBy names DAY and WEEK. Name at most one of DAY, WEEK and MONTH.
"""


@pytest.mark.parametrize(("first", "last", "dimensions", "reason"), table(REFUSED))
def test_what_figures_cannot_have_is_refused(
    first: str, last: str, dimensions: str, reason: str
) -> None:
    group_by = [FigureDimension(name) for name in dimensions.split()]

    with pytest.raises(BadUserInput) as refused:
        require_figures(date.fromisoformat(first), date.fromisoformat(last), group_by=group_by)

    assert str(refused.value) == reason


def test_two_thousand_rows_are_allowed_and_one_more_is_refused_with_its_number() -> None:
    require_rows(2_000)
    require_figures(date(2020, 1, 1), date(2030, 1, 7), group_by=[FigureDimension.DAY])

    with pytest.raises(BadUserInput, match=r"^The figures have 2,001 rows; 2,000 are allowed"):
        require_rows(2_001)


def every_day(one: DayRange) -> list[date]:
    return [one.first + timedelta(days=n) for n in range((one.last - one.first).days + 1)]


def month_of(first: date) -> list[date]:
    days = every_day(DayRange(first, first + timedelta(days=30)))
    return [day for day in days if day.month == first.month]


@given(DAYS, DAYS, st.sets(DAYS, max_size=40), st.booleans())
def test_each_day_is_read_once_and_a_changed_day_never_from_sums(
    one: date, other: date, changed: set[date], by_month: bool
) -> None:
    asked = DayRange(min(one, other), max(one, other))

    months, days, subtracted, messages = cover(asked, sorted(changed), by_month=by_month)

    from_sums = [day for month in months for day in month_of(month)]
    from_sums += [day for part in days for day in every_day(part)]
    for day in [day for part in subtracted for day in every_day(part)]:
        from_sums.remove(day)
    from_messages = [day for part in messages for day in every_day(part)]
    assert sorted([*from_sums, *from_messages]) == every_day(asked)
    assert not changed.intersection(from_sums)
    assert len(messages) <= MOST_RANGES
    if not by_month:
        assert not months
    if len(changed) <= MOST_RANGES:
        assert changed.issuperset(from_messages)


def test_a_year_without_changes_is_read_by_month() -> None:
    year = DayRange(date(2020, 1, 1), date(2020, 12, 31))
    months = [date(2020, n, 1) for n in range(1, 13)]

    assert cover(year, [], by_month=True) == (months, [], [], [])

    changed = [DayRange(date(2020, 12, 30), date(2020, 12, 30))]
    assert cover(year, [date(2020, 12, 30)], by_month=True) == (months, [], changed, changed)
    assert year.last + ONE_DAY == date(2021, 1, 1)


@pytest.mark.parametrize("by_month", [True, False])
@pytest.mark.parametrize("changed", [[], [date.max]])
def test_the_last_day_of_the_calendar_is_covered(by_month: bool, changed: list[date]) -> None:
    asked = DayRange(date(9999, 12, 30), date.max)

    covered = cover(asked, changed, by_month=by_month)

    assert [*covered.days, *covered.messages] == (
        [DayRange(date(9999, 12, 30), date(9999, 12, 30)), DayRange(date.max, date.max)]
        if changed
        else [asked]
    )
