"""The rows of the Delivery Detail: a delivery each, as cells of a page, as data, and as a line of a CSV."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from domain.modes import MODES, PHONE_MODES
from domain.report import status_label, status_with_code
from domain.status import DeliveryMode, DeliveryStatus
from renderers.cells import REMEMBERED, Clock, minute_of
from renderers.csv_fields import END, PHONE, field, harmless, line
from renderers.document import (
    DUPLICATE,
    DUPLICATE_IN_CSV,
    Cell,
    DataColumn,
    Line,
    PageColumn,
    PhoneNumber,
)
from renderers.texts import clean_line

NO_DEVICE: Final = "No Device"
NOT_CONTACTED: Final = "*"
DUPLICATE_LINE: Final = Line(
    DUPLICATE, "Duplicate address: shown, not sent again, not in the totals"
)

PAGE_COLUMNS: Final = (
    PageColumn("Recipient", 102, 2050),
    PageColumn("Student", 90, 1650),
    PageColumn("Delivery Device", 160, 3250),
    PageColumn("Status", 93, 1830, repeats=True),
    PageColumn("Time", 83, 1740, repeats=True),
)
DATA_COLUMNS: Final = (
    DataColumn("Recipient", 30),
    DataColumn("Student", 28),
    DataColumn("Delivery Device", 42),
    DataColumn("Mode", 9),
    DataColumn("Status", 26),
    DataColumn("Code", 8),
    DataColumn("Time", 21),
)


class DetailRow(NamedTuple):
    """One row of the Delivery Detail: a delivery, or a person without a device (`mode` and later fields are None or empty).

    A named tuple, since there are hundreds of thousands. Names and addresses are masked if the viewer may not see them.
    """

    recipient: str
    student: str | None
    contacted: bool
    """This message reached one of the person's numbers."""
    mode: DeliveryMode | None = None
    address: str = ""
    status: DeliveryStatus | None = None
    call_status: int | None = None
    at: datetime | None = None
    """Timezone-aware."""
    is_duplicate: bool = False


def page_cells(clock: Clock, *, mark: str) -> Callable[[DetailRow], tuple[str, str, str, str, str]]:
    """Return a function that returns the cells of `PAGE_COLUMNS` for a row. `mark` stands behind people not contacted.

    The mode is in brackets after the address, and the code before its label.
    """
    text = clock.text

    def cells(row: DetailRow) -> tuple[str, str, str, str, str]:
        recipient, student, contacted, mode, address, status, code, at, is_duplicate = row
        recipient, student = clean_line(recipient), clean_line(student or "")
        if not contacted:
            recipient += mark
        if mode is None or status is None:
            return recipient, student, NO_DEVICE, "", ""
        address = clean_line(address)
        if is_duplicate:
            address += DUPLICATE
        device = f"{address} ({MODES[mode].label})"
        time = text(at) if at is not None else ""
        return recipient, student, device, status_with_code(status, code), time

    return cells


def data_cells(duplicate: str, *, mark: str) -> Callable[[DetailRow], tuple[Cell, ...]]:
    """Return a function that returns the cells of `DATA_COLUMNS` for a row, marked with `mark` and `duplicate`."""

    def cells(row: DetailRow) -> tuple[Cell, ...]:
        recipient, student, contacted, mode, address, status, code, at, is_duplicate = row
        recipient = clean_line(recipient)
        if not contacted:
            recipient += mark
        student = clean_line(student) if student else None
        if mode is None or status is None:
            return recipient, student, NO_DEVICE
        address = clean_line(address)
        if is_duplicate:
            address += duplicate
        if mode in PHONE_MODES:
            address = PhoneNumber(address)
        return recipient, student, address, MODES[mode].label, status_label(status, code), code, at

    return cells


def csv_line(clock: Clock, *, mark: str) -> Callable[[DetailRow], str]:
    """Return a function that returns the line of a row in a CSV, with the fields of `DATA_COLUMNS`.

    Python's csv module takes twice as long: it makes a call for each row, and scans each character of the four fields that
    most rows share.
    """
    ends: dict[tuple[DeliveryMode, DeliveryStatus, int | None, int | None], str] = {}

    def line_of(row: DetailRow) -> str:
        recipient, student, contacted, mode, address, status, code, at, is_duplicate = row
        recipient = harmless(clean_line(recipient))
        if not contacted:
            recipient += mark
        student = field(harmless(clean_line(student))) if student else ""
        if mode is None or status is None:
            return f"{field(recipient)},{student},{NO_DEVICE},,,,{END}"
        address = clean_line(address)
        if mode not in PHONE_MODES or PHONE.fullmatch(address) is None:
            address = harmless(address)
        if is_duplicate:
            address += DUPLICATE_IN_CSV
        minute = None if at is None else minute_of(at)
        end = ends.get((mode, status, code, minute))
        if end is None:
            if len(ends) >= REMEMBERED:
                ends.clear()
            time = "" if at is None else clock.text(at)
            labels = (MODES[mode].label, status_label(status, code), "" if code is None else code)
            end = ends[mode, status, code, minute] = line((*labels, time))
        return f"{field(recipient)},{student},{field(address)},{end}"

    return line_of
