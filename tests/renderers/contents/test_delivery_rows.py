"""Deliveries as rows of a table."""

import csv

import pytest

from domain.status import DeliveryMode, DeliveryStatus
from renderers.cells import Clock
from renderers.contents.delivery_rows import DetailRow, csv_line, data_cells, page_cells
from renderers.document import Cell, PhoneNumber
from tests.renderers.example import CHICAGO, at, row

SENT = DeliveryStatus.SENT
ROWS = [
    row("A", "B", DeliveryMode.EMAIL, "a@b.org", SENT),
    row("A\nB", None, DeliveryMode.INBOX, "a1", SENT, contacted=False),
    row("A", "B", DeliveryMode.VOICE, "+16125550101", SENT, call_status=5, at=at(15)),
    row("A", "B", DeliveryMode.TEXT, "+16125550101", SENT, is_duplicate=True),
    row("A", "", contacted=False),
]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        (
            row("A", "B", DeliveryMode.EMAIL, "a@b.org", SENT),
            ("A", "B", "a@b.org (Email)", "Sent", ""),
        ),
        (row("A", None, DeliveryMode.INBOX, "a1", SENT), ("A", "", "a1 (Inbox)", "Sent", "")),
        (
            row("A", "B", DeliveryMode.VOICE, "+16125550101", SENT, call_status=5, at=at(15)),
            ("A", "B", "+16125550101 (Voice)", "5 Live Person", "12/02/2019 03:00 PM"),
        ),
        (
            row("A", "B", DeliveryMode.TEXT, "+16125550101", SENT, is_duplicate=True),
            ("A", "B", "+16125550101† (Text)", "Sent", ""),
        ),
        (
            row("A", "B", DeliveryMode.EMAIL, "a@b.org", SENT, is_duplicate=True),
            ("A", "B", "a@b.org† (Email)", "Sent", ""),
        ),
        (
            row("A\nB", "C\tD", DeliveryMode.EMAIL, "a\u2028@b.org", SENT, contacted=False),
            ("A B*", "C D", "a @b.org (Email)", "Sent", ""),
        ),
        (row("A", "B", contacted=False), ("A*", "B", "No Device", "", "")),
    ],
)
def test_a_row_reads(line: DetailRow, cells: tuple[str, ...]) -> None:
    assert page_cells(Clock(CHICAGO), mark="*")(line) == cells


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        *zip(
            ROWS,
            [
                ("A", "B", "a@b.org", "Email", "Sent", None, None),
                ("A B*", None, "a1", "Inbox", "Sent", None, None),
                ("A", "B", "+16125550101", "Voice", "Live Person", 5, at(15)),
                ("A", "B", "+16125550101†", "Text", "Sent", None, None),
                ("A*", None, "No Device"),
            ],
            strict=True,
        )
    ],
)
def test_a_row_has_its_data(line: DetailRow, cells: tuple[Cell, ...]) -> None:
    assert data_cells("†", mark="*")(line) == cells


def test_only_an_address_of_voice_or_text_is_a_number() -> None:
    cells = data_cells("&", mark="")
    assert [type(cells(line)[2]) for line in ROWS] == [str, str, PhoneNumber, PhoneNumber, str]


def test_a_line_of_a_csv_has_the_data_of_the_row() -> None:
    clock = Clock(CHICAGO)
    lines = csv.reader(map(csv_line(clock, mark="*"), ROWS))
    wanted = map(data_cells("&", mark="*"), ROWS)
    for fields, cells in zip(lines, wanted, strict=True):
        texts = [clock.text(at(15)) if cell == at(15) else str(cell or "") for cell in cells]
        assert fields == texts + [""] * (7 - len(texts))
