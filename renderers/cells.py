"""Values as text, the same in every file format. Each renderer escapes text for its format."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

NOTHING: Final = "–"
"""The text for a missing value on a page."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
REMEMBERED: Final = 8192
"""Most minutes in the cache of texts: many rows of a message share a minute, and the limit keeps memory flat."""


def minute_of(instant: datetime) -> int:
    """Return whole minutes since 1970: reports show no seconds."""
    return int(instant.timestamp()) // 60


class Clock:
    """Formats instants for a report: `01/31/2020 03:00 PM` in the local time of a zone."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._texts: dict[int, str] = {}

    def local(self, instant: datetime) -> datetime:
        """Return the local time at `instant`, without zone and seconds."""
        return instant.astimezone(self._zone).replace(second=0, microsecond=0, tzinfo=None)

    def text(self, instant: datetime) -> str:
        """Return an instant as `MM/DD/YYYY hh:mm AM`."""
        minute = minute_of(instant)
        cached = self._texts.get(minute)
        if cached is not None:
            return cached
        if len(self._texts) >= REMEMBERED:
            self._texts.clear()
        local = (_EPOCH + timedelta(minutes=minute)).astimezone(self._zone)
        noon = "PM" if local.hour >= 12 else "AM"
        text = f"{local:%m/%d/%Y} {local.hour % 12 or 12:02}:{local.minute:02} {noon}"
        self._texts[minute] = text
        return text

    def value(self, value: str | int | datetime | None) -> str:
        """Return a line's value as text for a page."""
        if value is None or value == "":
            return NOTHING
        return self.text(value) if isinstance(value, datetime) else str(value)
