"""Texts with `_xHHHH_` in a workbook, as Excel reads them (ECMA-376 Part 1, 22.9.2.19), openpyxl, and LibreOffice."""

import io
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any, Final

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.message import Criterion
from domain.status import DeliveryMode, DeliveryStatus
from renderers import xlsx, xlsx_strings
from renderers.xlsx_strings import escaped
from tests.missing import missing
from tests.renderers.example import one_page, rendered, row, school_is_cancelled

CASES: Final = {
    "_x0041_": "_x005F_x0041_",
    "a_x000D_b@nomail.example": "a_x005F_x000D_b@nomail.example",
    "_x0041_x0042_": "_x005F_x0041_x005F_x0042_",
    "_x005F_": "_x005F_x005F_",
    "_xabCD_": "_x005F_xabCD_",
    "__x0041_": "__x005F_x0041_",
    "_x41_": "_x41_",
    "_x0041": "_x0041",
    "_X0041_": "_X0041_",
    "x0041_": "x0041_",
    "first_x_second": "first_x_second",
}


def as_excel_reads(written: str) -> str:
    """Return the decoded value of an ST_Xstring."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), written)


@pytest.mark.parametrize(("text", "written"), CASES.items())
def test_text_like_an_escape_is_escaped(text: str, written: str) -> None:
    assert escaped(text) == written
    assert as_excel_reads(written) == text


@given(st.text(alphabet="_x0Af1 ", max_size=24))
@example("_x005F_x005F_")
def test_excel_reads_what_was_typed(text: str) -> None:
    assert as_excel_reads(escaped(text)) == text


def report() -> Any:
    """Return a report with such a text in every field."""
    name = "_x0041_ Name"
    return school_is_cancelled(
        subject="Bus_x0041_",
        sender=name,
        district=name,
        criteria=(Criterion(name, name),),
        rows=one_page(
            row(name, "_x0041_=", DeliveryMode.EMAIL, "a_x000D_b@x.example", DeliveryStatus.SENT),
            row("=_x0041_", None, DeliveryMode.VOICE, "+_x0041_", DeliveryStatus.FAILED),
            row("Plain & simple", "first_x_second"),
        ),
    )


def test_openpyxl_reads_what_was_typed_in_every_cell() -> None:
    file = rendered(xlsx.render, report())
    book = openpyxl.load_workbook(io.BytesIO(file))
    cells = [cell for line in book["Summary"].iter_rows(values_only=True) for cell in line]
    assert cells.count("_x0041_ Name") == 4
    assert "Bus_x0041_" in cells
    detail = [line[:3] for line in book["Delivery Detail"].iter_rows(min_row=2, values_only=True)]
    assert detail == [
        ("_x0041_ Name", "_x0041_=", "a_x000D_b@x.example"),
        ("=_x0041_", None, "+_x0041_"),
        ("Plain & simple", "first_x_second", "No Device"),
    ]
    assert book["Delivery Detail"]["A3"].data_type == "s"


def test_no_part_of_the_workbook_holds_such_a_text_without_its_escape() -> None:
    with zipfile.ZipFile(io.BytesIO(rendered(xlsx.render, report()))) as parts:
        assert parts.testzip() is None
        sheets = [parts.read(name).decode() for name in parts.namelist() if "sheet" in name]
        strings = parts.read("xl/sharedStrings.xml").decode()
        relations = parts.read("xl/_rels/workbook.xml.rels").decode()
        types = parts.read("[Content_Types].xml").decode()
    assert not [text for text in sheets if re.search("_x[0-9A-F]{4}_", text)]
    assert "a_x005F_x000D_b@x.example" in strings
    assert not re.search("(?<!_x005F)_x00(41|0D)_", strings)
    assert "sharedStrings.xml" in relations
    assert "/xl/sharedStrings.xml" in types


def test_a_workbook_without_such_a_text_has_no_table_of_shared_strings() -> None:
    with zipfile.ZipFile(io.BytesIO(rendered(xlsx.render, school_is_cancelled()))) as parts:
        assert "xl/sharedStrings.xml" not in parts.namelist()


def test_texts_beyond_the_limit_of_shared_strings_are_escaped_inline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(xlsx_strings, "MOST_SHARED", 1)
    rows = one_page(row("_x0041_"), row("_x0042_"), row("_x0041_"))
    file = rendered(xlsx.render, school_is_cancelled(rows=rows))
    sheet = openpyxl.load_workbook(io.BytesIO(file))["Delivery Detail"]
    assert [line[0].value for line in sheet.iter_rows(min_row=2)] == [
        *("_x0041_", "_x005F_x0042_", "_x0041_")
    ]


@settings(max_examples=20)
@given(st.lists(st.text(alphabet="_x04fF1&<", min_size=1, max_size=12), min_size=1, max_size=5))
def test_any_such_names_make_a_sound_workbook(names: list[str]) -> None:
    rows = one_page(*(row(name) for name in names))
    file = rendered(xlsx.render, school_is_cancelled(rows=rows))
    sheet = openpyxl.load_workbook(io.BytesIO(file))["Delivery Detail"]
    read = [line[0].value for line in sheet.iter_rows(min_row=2)]
    # openpyxl removes each `x005F_` of a shared string, be it typed or an escape.
    assert [str(name).replace("x005F_", "") for name in read] == [
        name.replace("x005F_", "") for name in names
    ]


def test_libreoffice_shows_what_was_typed(tmp_path: Path) -> None:
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        missing("no LibreOffice: install libreoffice-calc")
    source = tmp_path / "report.xlsx"
    source.write_bytes(rendered(xlsx.render, report()))
    # The second sheet, as it is shown.
    kind = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,2"
    profile = f"-env:UserInstallation=file://{tmp_path}/profile"
    made = tmp_path / "made"
    command = [program, profile, "--headless", "--convert-to", kind, "--outdir", str(made)]
    subprocess.run([*command, str(source)], check=True, capture_output=True, timeout=120)
    (text,) = made.iterdir()
    assert text.read_text("utf-8-sig").splitlines()[1:] == [
        "_x0041_ Name,_x0041_=,a_x000D_b@x.example,Email,Sent,,",
        "=_x0041_,,+_x0041_,Voice,Failed,,",
        "Plain & simple,first_x_second,No Device,,,,",
    ]
