"""Checks arguments: texts, and ranges of local days."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import strawberry

from domain.errors import BadUserInput
from domain.search import fold

FIRST_DAY: Final = date(1900, 1, 1)
"""Earlier days are taken as this one. A client may send year 1 for "no limit", which cannot be converted to UTC."""

LAST_DAY: Final = date(9999, 12, 30)

MOST_CHOICES: Final = 1_000
"""Maximum values of one part of a filter: with more, planning the statement takes longer than running it."""


@strawberry.input(description="Local days in the district's time zone, both ends included.")
class DateRange:
    """Local days, both ends included."""

    from_: date = strawberry.field(name="from")
    to: date

    def instants(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """From the first midnight to before the last, in UTC. Raises `BadUserInput` if the range ends before it begins."""
        if self.to < self.from_:
            raise BadUserInput(
                f"The days end ({self.to}) before they begin ({self.from_}). Exchange the two."
            )
        first = min(max(self.from_, FIRST_DAY), LAST_DAY)
        last = min(max(self.to, FIRST_DAY), LAST_DAY)
        if self.to < FIRST_DAY or self.from_ > LAST_DAY:
            last = first - timedelta(days=1)
        return _midnight(first, zone), _midnight(last + timedelta(days=1), zone)


def require_storable(text: str, *, argument: str) -> str:
    """`text`, if a database can store it. Raises `BadUserInput`."""
    if "\0" in text:
        raise BadUserInput(
            f"{argument} holds a NUL character, which is in no text here. Take it out."
        )
    return text


def visible_text(text: str | None, *, argument: str) -> str | None:
    """The text; None if it is empty or invisible. Raises `BadUserInput`."""
    return require_storable(text, argument=argument) if text and fold(text) else None


def folded_text(text: str | None, *, argument: str) -> str | None:
    """The folded text; None if it is empty or invisible. Raises `BadUserInput`."""
    return fold(require_storable(text, argument=argument)) or None if text else None


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)
