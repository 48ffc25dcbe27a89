"""A row of the Delivery Detail as text, and values as text: the same words in every kind of file.

How text is kept from doing harm in one kind of file is that renderer's.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from domain.report import status_with_code
from domain.status import DeliveryMode
from renderers.document import DUPLICATE, NOT_CONTACTED, DeliveryRow, Report
from renderers.texts import clean_line

NO_DEVICE: Final = "No Device"
NOTHING: Final = "–"
"""What a page shows where there is no value yet."""

MODE_LABELS: Final = {
    DeliveryMode.INBOX: "Inbox",
    DeliveryMode.EMAIL: "Email",
    DeliveryMode.VOICE: "Voice",
    DeliveryMode.TEXT: "Text",
}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
REMEMBERED: Final = 8192
"""Minutes: most rows of a message share theirs with many others; a bound, so that memory stays flat."""


def minute_of(instant: datetime) -> int:
    """Whole minutes since 1970, which is as exact as a report is."""
    return int(instant.timestamp()) // 60


class Clock:
    """Instants as a report prints them: `01/31/2020 03:00 PM` on the wall clock of a zone."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._texts: dict[int, str] = {}

    def local(self, instant: datetime) -> datetime:
        """The wall clock at `instant`, without a zone and without seconds."""
        return instant.astimezone(self._zone).replace(second=0, microsecond=0, tzinfo=None)

    def text(self, instant: datetime) -> str:
        """`MM/DD/YYYY hh:mm AM`."""
        minute = minute_of(instant)
        known = self._texts.get(minute)
        if known is not None:
            return known
        if len(self._texts) >= REMEMBERED:
            self._texts.clear()
        local = (_EPOCH + timedelta(minutes=minute)).astimezone(self._zone)
        noon = "PM" if local.hour >= 12 else "AM"
        text = f"{local:%m/%d/%Y} {local.hour % 12 or 12:02}:{local.minute:02} {noon}"
        self._texts[minute] = text
        return text

    def value(self, value: str | int | datetime | None) -> str:
        """A line's value for a page that people read."""
        if value is None or value == "":
            return NOTHING
        return self.text(value) if isinstance(value, datetime) else str(value)


def page_cells(report: Report) -> Callable[[DeliveryRow], tuple[str, str, str, str, str]]:
    """A function that gives the cells of `COLUMNS` for a page: marks set, mode in brackets behind the address, code before its label."""
    clock = Clock(report.zone).text
    mark = NOT_CONTACTED if report.marks_contact else ""

    def cells(row: DeliveryRow) -> tuple[str, str, str, str, str]:
        recipient, student, contacted, mode, address, status, code, at, is_duplicate = row
        recipient, student = clean_line(recipient), clean_line(student or "")
        if not contacted:
            recipient += mark
        if mode is None or status is None:
            return recipient, student, NO_DEVICE, "", ""
        address = clean_line(address)
        if is_duplicate:
            address += DUPLICATE
        device = f"{address} ({MODE_LABELS[mode]})"
        time = clock(at) if at is not None else ""
        return recipient, student, device, status_with_code(status, code), time

    return cells
