"""The call window of a district: the local times between which calls may be placed."""

from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo


class CallWindow(NamedTuple):
    """[`opens`, `closes`) on the same day in `time_zone` (an IANA name)."""

    opens: time
    closes: time
    time_zone: str

    def is_open(self, now: datetime) -> bool:
        """Return whether calls may be placed at `now`, an aware instant."""
        local = now.astimezone(ZoneInfo(self.time_zone)).time()
        return self.opens <= local < self.closes

    def next_opening(self, now: datetime) -> datetime:
        """Return the first instant after `now` at which the window opens, in UTC."""
        zone = ZoneInfo(self.time_zone)
        today = now.astimezone(zone).date()
        openings = (
            datetime.combine(today + timedelta(days=days), self.opens, zone).astimezone(UTC)
            for days in range(3)
        )
        return next(opening for opening in openings if opening > now)
