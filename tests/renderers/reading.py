"""Read the texts of a report in each format with a library for that format, line by line."""

import csv
import io
from collections.abc import Callable, Mapping
from typing import Final

import docx
import openpyxl
import pypdf
from docx.oxml.ns import qn

from domain.report import ReportFormat


def of_pdf(file: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(file), strict=True).pages
    return "\n".join(page.extract_text() for page in pages)


def of_docx(file: bytes) -> str:
    body = docx.Document(io.BytesIO(file)).element.body
    return "\n".join(
        "".join(
            "\n" if t.tag == qn("w:br") else t.text or "" for t in p.iter(qn("w:t"), qn("w:br"))
        )
        for p in body.iter(qn("w:p"))
    )


def of_xlsx(file: bytes) -> str:
    book = openpyxl.load_workbook(io.BytesIO(file))
    lines = [line for sheet in book for line in sheet.iter_rows(values_only=True)]
    return "\n".join(str(cell) for line in lines for cell in line if cell is not None)


def of_csv(file: bytes) -> str:
    lines = csv.reader(io.StringIO(file.decode("utf-8-sig"), newline=""), strict=True)
    return "\n".join(cell for line in lines for cell in line if cell)


READERS: Final[Mapping[ReportFormat, Callable[[bytes], str]]] = {
    ReportFormat.PDF: of_pdf,
    ReportFormat.DOCX: of_docx,
    ReportFormat.XLSX: of_xlsx,
    ReportFormat.CSV: of_csv,
}
