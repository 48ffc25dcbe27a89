"""Promises of every file format."""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from itertools import chain, product
from pathlib import Path
from typing import Any, Final

import pytest

from domain.report import ReportDetail, ReportDevice, ReportFormat
from domain.status import DeliveryMode, DeliveryStatus
from renderers import docx_skeleton, renderer, sheet
from tests.missing import missing
from tests.renderers.example import (
    DETAIL,
    Composed,
    by_phone,
    many_rows,
    rendered,
    row,
    school_is_cancelled,
)
from tests.renderers.kinds import KINDS, Kind, family, problems
from tests.renderers.reading import READERS

BEGINNINGS: Final = {
    ReportFormat.PDF: b"%PDF-",
    ReportFormat.CSV: b"\xef\xbb\xbfSent Message Report,",
    ReportFormat.DOCX: b"PK\x03\x04",
    ReportFormat.XLSX: b"PK\x03\x04",
}


@pytest.mark.parametrize(("format", "detail"), [*product(ReportFormat, ReportDetail)])
def test_every_detail_renders_in_every_format(format: ReportFormat, detail: ReportDetail) -> None:
    file = io.BytesIO()
    report = by_phone(detail=detail)
    rows = 0 if detail is ReportDetail.SUMMARY else 3
    assert renderer(format)(report.document(), file, progress=lambda rows: None).rows == rows
    assert file.getvalue().startswith(BEGINNINGS[format])


@pytest.mark.parametrize("format", ReportFormat)
@pytest.mark.parametrize("device", ReportDevice)
def test_every_device_renders_in_every_format(format: ReportFormat, device: ReportDevice) -> None:
    file = rendered(renderer(format), by_phone(devices=(device,)))
    assert file.startswith(BEGINNINGS[format])


@pytest.mark.parametrize("format", ReportFormat)
def test_a_legend_stands_where_a_row_has_a_mark_and_nowhere_else(format: ReportFormat) -> None:
    plain = row("Ana", None, DeliveryMode.VOICE, "+16125550101", DeliveryStatus.SENT)
    for marked, meaning in (
        (plain, None),
        (plain._replace(contacted=False), "Recipient not contacted by phone"),
        (plain._replace(is_duplicate=True), "Duplicate address"),
    ):
        report = by_phone(rows=[[marked]], detail=ReportDetail.FAILED_DELIVERY)
        shown = READERS[format](rendered(renderer(format), report))
        found = [
            one for one in ("Recipient not contacted by phone", "Duplicate address") if one in shown
        ]
        assert found == ([] if meaning is None else [meaning])


@pytest.mark.parametrize("format", ReportFormat)
def test_the_file_is_left_open(format: ReportFormat) -> None:
    file = io.BytesIO()
    renderer(format)(school_is_cancelled().document(), file, progress=lambda rows: None)
    assert not file.closed


class Stop(Exception):
    """The work shall end."""


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("format", ReportFormat)
def test_pages_are_taken_one_at_a_time_and_counted(format: ReportFormat, kind: Kind) -> None:
    taken: list[int] = []
    written: list[tuple[int, int]] = []

    def pages() -> Iterator[Sequence[Any]]:
        for number in range(1, 5):
            taken.append(number)
            yield [kind.row] * number

    report = kind.example(rows=pages()).document()
    done = renderer(format)(
        report, io.BytesIO(), progress=lambda rows: written.append((len(taken), rows))
    )
    assert done.rows == 10
    assert written == [(1, 1), (2, 3), (3, 6), (4, 10)]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("format", ReportFormat)
def test_an_exception_in_progress_ends_the_work_and_leaves_nothing_behind(
    format: ReportFormat, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    taken: list[int] = []

    def pages() -> Iterator[Sequence[Any]]:
        for number in range(10):
            taken.append(number)
            yield [kind.row]

    def stop(rows: int) -> None:
        if rows == 2:
            raise Stop

    with pytest.raises(Stop):
        renderer(format)(kind.example(rows=pages()).document(), io.BytesIO(), progress=stop)
    assert len(taken) <= 3
    assert list(tmp_path.iterdir()) == []


HOSTILE: Final = (
    "=1 </w:t>&amp;]]><!-- \x00\x0c\ud800\ufffe \u202e(_x0041_ \\) محمد\u2028🏳️\u200d🌈\tend"
)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("format", ReportFormat)
def test_no_text_of_any_kind_of_report_breaks_the_file(format: ReportFormat, kind: Kind) -> None:
    shown = READERS[format](rendered(renderer(format), kind.with_text(HOSTILE)))
    assert "".join(shown.split()).count("</w:t>&amp;]]><!--") >= 2
    assert not set("\x00\u202e\N{REPLACEMENT CHARACTER}") & set(shown)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("format", [ReportFormat.PDF, ReportFormat.CSV])
def test_the_same_report_of_any_kind_gives_the_same_bytes(format: ReportFormat, kind: Kind) -> None:
    document = kind.example().document()
    files = [io.BytesIO() for _ in range(2)]
    for file in files:
        renderer(format)(document, file, progress=lambda rows: None)
    again = rendered(renderer(format), kind.example())
    assert {file.getvalue() for file in files} == {again}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_columns_of_a_page_fill_its_width(kind: Kind) -> None:
    table = kind.example().document().rows
    assert table is not None
    assert sum(column.width for column in table.page_columns) == sheet.ROOM
    assert sum(column.word_width for column in table.page_columns) == docx_skeleton.ROOM
    repeats = [column.repeats for column in table.page_columns]
    assert repeats == sorted(repeats)


# Memory

MEASURE: Final = """
import json, sys
from domain.report import ReportFormat
from renderers import renderer
from tests.renderers.example import many_rows, school_is_cancelled

def high_water():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))

idle = high_water()
render = renderer(ReportFormat(sys.argv[1]))
with open(sys.argv[2], "wb") as file:
    render(school_is_cancelled(rows=many_rows(int(sys.argv[3]))).document(), file, progress=lambda rows: None)
print(json.dumps([idle, high_water()]))
"""


def memory(format: ReportFormat, rows: int, folder: Path) -> tuple[int, int]:
    """Return the peak memory of a child process in kilobytes, before and after it rendered `rows`."""
    command = [sys.executable, "-c", MEASURE, format, str(folder / "report"), str(rows)]
    environment = os.environ | {"PYTHONPATH": os.getcwd()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    idle, peak = json.loads(done.stdout)
    return idle, peak


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the kernel tells no high-water mark"
)
@pytest.mark.parametrize("format", ReportFormat)
def test_memory_does_not_grow_with_the_rows(format: ReportFormat, tmp_path: Path) -> None:
    """`benchmarks.renderers` measures ten times as many rows; here the slowest format would take 15 seconds."""
    _, few = memory(format, 4_000, tmp_path)
    idle, many = memory(format, 40_000, tmp_path)
    assert many - idle < 100_000
    assert many < 1.1 * few


# LibreOffice


def opened_by_libreoffice(file: bytes, name: str, kind: str, folder: Path) -> str:
    """Return the text of `file` as LibreOffice reads it; `kind` is the suffix and one of its filters."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        missing("no LibreOffice: install libreoffice-writer and libreoffice-calc")
    source = folder / name
    source.write_bytes(file)
    profile = f"-env:UserInstallation=file://{folder}/profile"
    made = folder / "made"
    subprocess.run(
        [program, profile, "--headless", "--convert-to", kind, "--outdir", str(made), str(source)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (text,) = made.iterdir()
    return text.read_text(encoding="utf-8-sig")


def reports() -> list[Composed]:
    return [by_phone(), school_is_cancelled(rows=list(many_rows(300))), family(), problems()]


def test_libreoffice_opens_the_word_document(tmp_path: Path) -> None:
    file = rendered(renderer(ReportFormat.DOCX), by_phone())
    text = opened_by_libreoffice(file, "report.docx", "txt:Text (encoded):UTF8", tmp_path)
    lines = text.splitlines()
    assert "School is Cancelled" in lines
    start = lines.index("Recipient")
    assert [line for line in lines[start:] if line] == [
        *("Recipient", "Student", "Delivery Device", "Status", "Time"),
        *chain(*DETAIL),
        *("Parent, Tad*", "No Device"),
    ]


def test_libreoffice_opens_the_workbook(tmp_path: Path) -> None:
    file = rendered(renderer(ReportFormat.XLSX), by_phone())
    # The second sheet. A date comes out in LibreOffice's own way, which shows that it was read as one.
    kind = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,2"
    assert opened_by_libreoffice(file, "report.xlsx", kind, tmp_path).splitlines() == [
        "Recipient,Student,Delivery Device,Mode,Status,Code,Time",
        '"Parent, Heather","Student, Calvin",+16125550101,Voice,Live Person,5,12/02/2019 08:57:00',
        '"Parent, Kris*","Student, Lauren",+16125550101†,Text,Text Message Failed,-30,12/02/2019 12:05:00',
        '"Parent, Tad*",,No Device,,,,',
    ]


def test_both_office_files_are_sound_archives() -> None:
    for format, report in product((ReportFormat.DOCX, ReportFormat.XLSX), reports()):
        with zipfile.ZipFile(io.BytesIO(rendered(renderer(format), report))) as archive:
            assert archive.testzip() is None
