"""Measures rows per second and memory of every report format, beside the plain use of its library.

    python -m benchmarks.renderers [--rows 200000]

Each measurement has a separate process, for its memory. Our renderer and its peers alternate. Rows are made before the
measurement. Names and numbers differ. One row in eight wraps or is marked, and one in fifty is not in Latin script.
"""

import argparse
import csv
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from domain.counting import Figures
from domain.message import BodyFormat
from domain.report import ReportDetail, ReportDevice, ReportFormat
from domain.status import DeliveryMode, DeliveryStatus
from renderers import renderer
from renderers.contents.delivery_rows import DetailRow
from renderers.contents.message_report import MessageReport, ReportContent
from renderers.document import ReportDocument

DISTINCT: Final = 10_000
"""The number of distinct rows; a larger report repeats them."""
PAGE: Final = 1_000
FAMILIES: Final = (
    "Anderson",
    "Nguyễn",
    "Kowalski-Łuczak",
    "O'Neill",
    "Garcia",
    "Johansson",
    "Smith",
    "Wójcik",
)
GIVEN: Final = (
    "Heather",
    "Zoë",
    "Calvin",
    "Tad",
    "Maria",
    "Karen",
    "Kris",
    "Lauren",
    "Ana",
    "Jürgen",
)
ELSEWHERE: Final = ("王小明", "محمد علي", "שרה כהן", "प्रिया शर्मा", "김민준", "Иванова, Мария")


def made_rows(count: int) -> list[Sequence[DetailRow]]:
    """Yield `count` realistic rows in pages."""
    start = datetime(2026, 1, 12, 12, 0, tzinfo=UTC)
    rows = [_row(number, start + timedelta(seconds=number * 0.37)) for number in range(count)]
    return [rows[at : at + PAGE] for at in range(0, count, PAGE)]


def _row(number: int, at: datetime) -> DetailRow:
    name = f"{FAMILIES[number % len(FAMILIES)]}, {GIVEN[number // 3 % len(GIVEN)]}"
    if number % 50 == 0:
        name = ELSEWHERE[number // 50 % len(ELSEWHERE)]
    student = f"{FAMILIES[number // 5 % len(FAMILIES)]}, {GIVEN[number // 7 % len(GIVEN)]}"
    mode = tuple(DeliveryMode)[number % 4]
    address = f"+1612{number % 10_000_000:07}"
    if mode is DeliveryMode.EMAIL:
        longer = ".of.a.long.name" if number % 32 == 1 else ""
        address = f"parent{number}{longer}@district.example.org"
    code = {DeliveryMode.VOICE: (5, 6, 0, 1), DeliveryMode.TEXT: (-28, -27, -30, -33)}.get(mode)
    return DetailRow(
        recipient=name,
        student=student,
        contacted=number % 8 > 0,
        mode=mode,
        address=address if mode is not DeliveryMode.INBOX else f"parent{number}",
        status=DeliveryStatus.SENT,
        call_status=None if code is None else code[number // 4 % 4],
        at=at,
        is_duplicate=number % 16 == 0,
    )


def report_of(rows: Iterator[Sequence[DetailRow]]) -> ReportDocument:
    now = datetime(2026, 1, 12, 14, 0, tzinfo=UTC)
    return MessageReport(
        district="Plainview Schools",
        school=None,
        zone=ZoneInfo("America/Chicago"),
        subject="School is Cancelled",
        message_type="Message Builder",
        sender="Administrator, System",
        created_at=now,
        as_of=now,
        devices=tuple(ReportDevice),
        detail=ReportDetail.ALL,
        modes=frozenset(DeliveryMode),
        figures=_figures(),
        content=ReportContent(body="School is cancelled.", body_format=BodyFormat.PLAIN),
        has_duplicates=True,
        has_not_contacted=True,
        rows=rows,
    ).document()


def _figures() -> Figures:
    return Figures(**dict.fromkeys(Figures.__slots__, 1000))


# The cases


def ours(format: ReportFormat) -> Callable[[Iterator[Sequence[DetailRow]], Path], None]:
    def write(rows: Iterator[Sequence[DetailRow]], path: Path) -> None:
        with path.open("wb") as file:
            renderer(format)(report_of(rows), file, progress=lambda rows: None)

    return write


def texts(rows: Iterator[Sequence[DetailRow]]) -> Iterator[tuple[str, ...]]:
    """Return rows of seven cells as plain text, because the peers neither mark nor convert values."""
    for page in rows:
        for row in page:
            student, mode, code = row.student or "", str(row.mode), str(row.call_status)
            yield row.recipient, student, row.address, mode, str(row.status), code, str(row.at)[:16]


def _fpdf() -> Any:
    from fpdf import FPDF

    from renderers.coverage import FOLDER

    pdf = FPDF(unit="pt", format="letter")
    pdf.add_font("sans", fname=FOLDER / "NotoSans-Regular.ttf")
    pdf.set_font("sans", size=7)
    pdf.add_page()
    return pdf


def fpdf_cell(rows: Iterator[Sequence[DetailRow]], path: Path) -> None:
    pdf = _fpdf()
    for cells in texts(rows):
        for text in cells[:5]:
            pdf.cell(105, 12, text)
        pdf.ln()
    pdf.output(path)


def fpdf_table(rows: Iterator[Sequence[DetailRow]], path: Path) -> None:
    pdf = _fpdf()
    with pdf.table(first_row_as_headings=False) as table:
        for cells in texts(rows):
            line = table.row()
            for text in cells[:5]:
                line.cell(text)
    pdf.output(path)


def docx_add_row(rows: Iterator[Sequence[DetailRow]], path: Path) -> None:
    import docx

    document = docx.Document()
    table = document.add_table(0, 5)
    for cells in texts(rows):
        for cell, text in zip(table.add_row().cells, cells[:5], strict=True):
            cell.text = text
    document.save(str(path))


def docx_lxml(rows: Iterator[Sequence[DetailRow]], path: Path) -> None:
    """Write a document with python-docx, and add the rows of its table as lxml elements."""
    import docx
    from docx.oxml.ns import qn
    from lxml import etree

    document = docx.Document()
    table: Any = document.add_table(0, 5)._tbl
    for cells in texts(rows):
        line = etree.SubElement(table, qn("w:tr"))
        for text in cells[:5]:
            paragraph = etree.SubElement(etree.SubElement(line, qn("w:tc")), qn("w:p"))
            etree.SubElement(etree.SubElement(paragraph, qn("w:r")), qn("w:t")).text = text
    document.save(str(path))


def _openpyxl(rows: Iterator[Sequence[DetailRow]], path: Path, *, write_only: bool) -> None:
    """Write numbers and dates with their types, and dates in the format of the report."""
    import openpyxl
    from openpyxl.cell import WriteOnlyCell

    book = openpyxl.Workbook(write_only=write_only)
    sheet: Any = book.create_sheet()
    for number, row in enumerate(itertools.chain.from_iterable(rows), start=1):
        line = [row.recipient, row.student, row.address, row.mode, row.status, row.call_status]
        at = row.at.replace(tzinfo=None) if row.at else None
        if write_only:
            time_cell: Any = WriteOnlyCell(sheet, at)
            time_cell.number_format = "mm/dd/yyyy hh:mm AM/PM"
            sheet.append([*line, time_cell])
        else:
            sheet.append([*line, at])
            sheet.cell(number, 7).number_format = "mm/dd/yyyy hh:mm AM/PM"
    book.save(path)


def openpyxl_ordinary(rows: Iterator[Sequence[DetailRow]], path: Path) -> None:
    _openpyxl(rows, path, write_only=False)


def openpyxl_write_only(rows: Iterator[Sequence[DetailRow]], path: Path) -> None:
    _openpyxl(rows, path, write_only=True)


def csv_module(rows: Iterator[Sequence[DetailRow]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        for page in rows:
            writer.writerows(page)


class Case(NamedTuple):
    """A case, and the number of rows that shows its speed without taking minutes."""

    write: Callable[[Iterator[Sequence[DetailRow]], Path], None]
    rows: int


CASES: Final = {f"ours {format}": Case(ours(format), 0) for format in ReportFormat} | {
    "fpdf2 cell()": Case(fpdf_cell, 5_000),
    "fpdf2 table()": Case(fpdf_table, 1_000),
    "python-docx add_row": Case(docx_add_row, 1_000),
    "python-docx over lxml": Case(docx_lxml, 20_000),
    "openpyxl ordinary": Case(openpyxl_ordinary, 20_000),
    "openpyxl write-only": Case(openpyxl_write_only, 50_000),
    "csv module": Case(csv_module, 200_000),
}
POSTGRES: Final = "PostgreSQL COPY"
PEERS: Final = {
    "ours PDF": ("fpdf2 cell()", "fpdf2 table()"),
    "ours DOCX": ("python-docx over lxml", "python-docx add_row"),
    "ours XLSX": ("openpyxl write-only", "openpyxl ordinary"),
    "ours CSV": ("csv module", POSTGRES),
}


CREATE: Final = """
CREATE TABLE detail (
    recipient text, student text, mode text, address text, status text, call_status integer, at timestamptz
)
"""
COPY: Final = """
COPY (
    SELECT recipient, student, address, mode, status, call_status,
           to_char(at AT TIME ZONE 'America/Chicago', 'MM/DD/YYYY HH12:MI AM')
    FROM detail
) TO STDOUT (FORMAT csv)
"""


# Measuring


class Measured(NamedTuple):
    """The measurement of one process; memory in megabytes, the peaks before and after."""

    rows_a_second: float
    idle: float
    peak: float
    size: float


NOTHING: Final = Measured(0, 0, 0, 0)
ROUNDS: Final = 3


def high_water() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return (
        next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
        / 1000
    )


def measure_here(name: str, count: int) -> Measured:
    """Run one case in this process."""
    pages = made_rows(min(count, DISTINCT))
    rows = itertools.islice(itertools.cycle(pages), count // PAGE)
    idle = high_water()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report"
        start = time.perf_counter()
        CASES[name].write(rows, path)
        seconds = time.perf_counter() - start
        return Measured(count / seconds, idle, high_water(), path.stat().st_size / 1e6)


def measure(name: str, count: int) -> Measured:
    """Run one case in a separate process."""
    command = [sys.executable, "-m", "benchmarks.renderers", "--case", name, "--rows", str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return Measured(*json.loads(done.stdout))


def measure_copy(count: int) -> float | None:
    """Return rows per second of `COPY … TO STDOUT` for the same columns in the report's format; None without PostgreSQL."""
    import psycopg
    from sqlalchemy import make_url

    from tests.postgres import find_programs, running_postgres

    programs = find_programs()
    if programs is None:
        return None
    pages = itertools.islice(itertools.cycle(made_rows(DISTINCT)), count // PAGE)
    with running_postgres(programs) as url, tempfile.TemporaryFile() as file:
        where = make_url(url)
        host, user = str(where.query["host"]), where.username
        with psycopg.connect(host=host, user=user, dbname=where.database) as connection:
            connection.execute(CREATE)
            cursor = connection.cursor()
            with cursor.copy("COPY detail FROM STDIN") as copy:
                for page in pages:
                    for row in page:
                        copy.write_row((*row[:2], *row[3:8]))
            start = time.perf_counter()
            with cursor.copy(COPY) as copy:
                for piece in copy:
                    file.write(piece)
            return count / (time.perf_counter() - start)


def best(name: str, peers: Sequence[str], count: int) -> dict[str, Measured]:
    """Return the fastest of `ROUNDS` of a renderer and of each of its peers, which alternate."""
    found: dict[str, Measured] = {}
    for _ in range(ROUNDS):
        for each in (name, *peers):
            if each == POSTGRES:
                speed = measure_copy(count)
                measured = None if speed is None else Measured(speed, 0, 0, 0)
            else:
                measured = measure(each, CASES[each].rows or count)
            if measured is not None and measured > found.get(each, NOTHING):
                found[each] = measured
    return found


def main(count: int) -> None:
    print(
        f"{'':24}{'rows/s':>10}{'ratio':>8}{'idle MB':>9}{'peak MB':>9}{'growth':>8}{'file MB':>9}"
    )
    for name, peers in PEERS.items():
        few = measure(name, count // 10)
        found = best(name, peers, count)
        many = found.pop(name)
        print(
            f"{name:24}{many.rows_a_second:>10,.0f}{'':>8}{many.idle:>9.0f}{many.peak:>9.0f}"
            f"{many.peak / few.peak - 1:>8.1%}{many.size:>9.1f}"
        )
        for peer, measured in found.items():
            memory = f"{measured.idle:>9.0f}{measured.peak:>9.0f}" if measured.peak else ""
            ratio = many.rows_a_second / measured.rows_a_second
            print(f"  {peer:22}{measured.rows_a_second:>10,.0f}{ratio:>7.2f}x{memory}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure_here(arguments.case, arguments.rows)))
    else:
        main(arguments.rows)
