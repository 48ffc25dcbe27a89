"""The rules of figures over many messages: dimensions, limits, rates, buckets of delays, and how days are read."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from math import sqrt
from typing import Final, NamedTuple

from domain.errors import BadUserInput
from domain.status import DeliveryStatus


class FigureDimension(StrEnum):
    """A property by which figures are grouped."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    SCHOOL = "SCHOOL"
    TYPE = "TYPE"
    SENDER = "SENDER"
    MODE = "MODE"
    PROVIDER = "PROVIDER"


SPANS: Final = frozenset({FigureDimension.DAY, FigureDimension.WEEK, FigureDimension.MONTH})
"""The dimensions of time; figures have one at most."""

MOST_ROWS: Final = 2_000
"""The most rows of figures in a response."""

MOST_DAYS: Final = 3_660
"""The longest range of figures: ten years."""

FEWEST_OUTCOMES: Final = 20
"""The fewest outcomes of which a failure rate is computed. A rate of fewer misleads."""

OUTCOMES: Final = frozenset({DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED})
"""The statuses that are the outcome of a handover."""

NO_DELAY: Final = -1
"""Stands for "no handover or no outcome" in the key of a figure, because a key has no nulls."""

RATIO: Final = 1.2
"""The quotient of the bounds of a delay bucket. Its geometric mean is within 10 % of each delay in it."""

LONGEST_DELAY: Final = 10 * 366 * 86_400
"""Seconds. Longer delays are in the last bucket."""


def _bounds() -> Sequence[int]:
    bounds = [0]
    while bounds[-1] < LONGEST_DELAY:
        bounds.append(max(bounds[-1] + 1, int(bounds[-1] * RATIO)))
    return bounds


BOUNDS: Final = _bounds()
"""The shortest delay of each bucket, in whole seconds. Buckets of less than ten seconds hold one value."""

_MIDDLES: Final[Mapping[int, int]] = {
    low: round(sqrt(low * (high - 1))) for low, high in pairwise(BOUNDS)
} | {BOUNDS[-1]: BOUNDS[-1]}


def delay_of(status: DeliveryStatus | str, handed_at: datetime | None, at: datetime | None) -> int:
    """Return the bucket of the time from handover to outcome, by its shortest delay; `NO_DELAY` if one is missing.

    A provider's clock may be behind ours: an outcome before the handover counts as 0 seconds.
    """
    if status not in OUTCOMES or handed_at is None or at is None:
        return NO_DELAY
    seconds = round((at - handed_at).total_seconds())
    return 0 if seconds <= 0 else BOUNDS[bisect_right(BOUNDS, seconds) - 1]


def middle_of(bucket: int) -> int:
    """Return the value that stands for all delays of a bucket, within 10 % of each."""
    return _MIDDLES[bucket]


def failure_rate(failed: int, outcomes: int) -> float | None:
    """Return the share of failures among the outcomes; None if there are fewer than `FEWEST_OUTCOMES`."""
    return failed / outcomes if outcomes >= FEWEST_OUTCOMES else None


def require_figures(first: date, last: date, *, group_by: Sequence[FigureDimension]) -> None:
    """Pass if figures of these days may be grouped by these dimensions. Raises `BadUserInput`."""
    days = (last - first).days + 1
    if days > MOST_DAYS:
        raise BadUserInput(
            f"createdBetween has {days:,} days ({first} to {last}). Figures are for at most {MOST_DAYS:,} days: "
            "ask for fewer years."
        )
    twice = [one for place, one in enumerate(group_by) if one in group_by[:place]]
    if twice:
        raise BadUserInput(f"groupBy names {twice[0]} twice. Name each dimension once.")
    spans = [one for one in group_by if one in SPANS]
    if len(spans) > 1:
        raise BadUserInput(
            f"groupBy names {' and '.join(spans)}. Name at most one of DAY, WEEK and MONTH."
        )


def require_rows(rows: int) -> None:
    """Pass if figures have few enough rows for a response. Raises `BadUserInput`."""
    if rows > MOST_ROWS:
        raise BadUserInput(
            f"The figures have {rows:,} rows; {MOST_ROWS:,} are allowed. Group by fewer dimensions, "
            "or ask for fewer days or schools."
        )


class DayRange(NamedTuple):
    """Local days, both ends included."""

    first: date
    last: date


class DayCoverage(NamedTuple):
    """How the days of a range are read: whole months and days from sums, changed days from the messages."""

    months: Sequence[date]
    """The first days of the months."""
    days: Sequence[DayRange]
    subtracted: Sequence[DayRange]
    """The parts of `messages` within the months. Their sums are subtracted, since a month is the sum of its days."""
    messages: Sequence[DayRange]


ONE_DAY: Final = timedelta(days=1)

MOST_RANGES: Final = 12
"""The most ranges of days that are read from the messages: more are merged with the days between them."""


def cover(asked: DayRange, changed: Sequence[date], *, by_month: bool) -> DayCoverage:
    """Return how to read a range of days, of which the days `changed` are not in the sums; those are sorted.

    `by_month`: whether sums of whole months may be used.
    """
    ranges = _merged([day for day in changed if asked.first <= day <= asked.last])
    months: list[date] = []
    edges: list[DayRange] = []
    _split(asked, months, edges, by_month=by_month)
    days = [part for edge in edges for part in _without(edge, ranges)]
    if not months:
        return DayCoverage(months, days, [], ranges)
    whole = DayRange(months[0], _next_month(months[-1]) - ONE_DAY)
    subtracted = [
        DayRange(max(one.first, whole.first), min(one.last, whole.last))
        for one in ranges
        if one.first <= whole.last and one.last >= whole.first
    ]
    return DayCoverage(months, days, subtracted, ranges)


def _without(part: DayRange, ranges: Sequence[DayRange]) -> Sequence[DayRange]:
    """Return the days of a range that are in none of these sorted ranges."""
    rest: list[DayRange] = []
    begin = part.first
    for one in ranges:
        if one.last < begin or one.first > part.last:
            continue
        if begin < one.first:
            rest.append(DayRange(begin, one.first - ONE_DAY))
        if one.last >= part.last:  # the next day may be beyond the calendar
            return rest
        begin = one.last + ONE_DAY
    return [*rest, DayRange(begin, part.last)]


def _merged(days: Sequence[date]) -> list[DayRange]:
    """Return ranges that contain these sorted days, at most `MOST_RANGES`: the widest gaps between days separate them."""
    gaps = [(after - before, before, after) for before, after in pairwise(days)]
    wide = sorted(gap for gap in gaps if gap[0] > ONE_DAY)[-(MOST_RANGES - 1) :]
    if not days:
        return []
    firsts = sorted([days[0], *(after for _, _, after in wide)])
    lasts = sorted([*(before for _, before, _ in wide), days[-1]])
    return [DayRange(*ends) for ends in zip(firsts, lasts, strict=True)]


def _split(part: DayRange, months: list[date], days: list[DayRange], *, by_month: bool) -> None:
    """Append the whole months of a range to `months`, and the days before and after them to `days`."""
    if part.last.year == date.max.year:  # the month after may be beyond the calendar
        days.append(part)
        return
    begin = part.first if part.first.day == 1 else _next_month(part.first)
    end = begin
    while by_month and _next_month(end) - ONE_DAY <= part.last:
        months.append(end)
        end = _next_month(end)
    if end == begin:
        days.append(part)
        return
    if part.first < begin:
        days.append(DayRange(part.first, begin - ONE_DAY))
    if end <= part.last:
        days.append(DayRange(end, part.last))


def _next_month(day: date) -> date:
    """Return the first day of the month after that of `day`."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
