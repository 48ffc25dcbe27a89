"""When a district lets calls be placed: between two times of day, on its own wall clock."""

from datetime import datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo


class CallWindow(NamedTuple):
    """From `opens` until before `closes`, on the same day in `time_zone` (an IANA name)."""

    opens: time
    closes: time
    time_zone: str

    def is_open(self, now: datetime) -> bool:
        """Whether calls are placed at `now`, an aware instant."""
        local = now.astimezone(ZoneInfo(self.time_zone)).time()
        return self.opens <= local < self.closes
