"""A report for a viewer without VIEW_RECIPIENTS has no family data, in any format and with any detail."""

import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Final

import pypdf
import pytest

from db.connect.database import Database
from domain.report import ReportDetail, ReportFormat
from tests.delivery.reports.printing import made, make_reports, printing, requested_report
from tests.delivery.upkeep.purges import OLD_MESSAGE, WORDS
from tests.log import district, load

LABEL: Final = "vicinity"
"""It is the label of a criterion too, and labels are seen."""


def text_of(file: bytes, format: ReportFormat) -> str:
    """Return all text of a report in lower case; of an archive all its parts."""
    if format is ReportFormat.PDF:
        pages = pypdf.PdfReader(io.BytesIO(file)).pages
        return " ".join(page.extract_text() for page in pages).lower()
    if format is ReportFormat.CSV:
        return file.decode("utf-8-sig").lower()
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        parts = [archive.read(name).decode("utf-8", "replace") for name in archive.namelist()]
    return " ".join(parts).lower()


@pytest.mark.parametrize("detail", ReportDetail)
@pytest.mark.parametrize("format", ReportFormat)
async def test_a_masked_report_has_no_word_of_a_family(
    database: Database, tmp_path: Path, format: ReportFormat, detail: ReportDetail
) -> None:
    report_runtime = printing(database, tmp_path / "store")
    await load(database, district(), OLD_MESSAGE)
    now = datetime.fromisoformat("2020-01-31T18:00:00+00:00")
    whole = await requested_report(report_runtime, format=format, detail=detail, at=now)
    masked = await requested_report(
        report_runtime, format=format, detail=detail, is_masked=True, at=now
    )
    assert await make_reports(report_runtime) == 2

    seen = {word for word in WORDS if word in text_of(await made(report_runtime, whole), format)}
    left = {word for word in WORDS if word in text_of(await made(report_runtime, masked), format)}

    expected = {
        ReportDetail.SUMMARY: {"vindicate"},  # why it was canceled is a part of the summary
        ReportDetail.FAILED_DELIVERY: set(WORDS) - {"vacate", "vicinity"},
        ReportDetail.ALL: set(WORDS),
    }[detail]
    assert seen == expected
    assert left == expected & {LABEL}
