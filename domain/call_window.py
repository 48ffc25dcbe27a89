"""The call window of a district: the local times between which calls may be placed."""

from datetime import datetime, time
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
