"""Tools for tests of reports: request a report directly, and make it without a child process.

press = printing(database, tmp_path)
await request_report(press)
assert await make_reports(press) == 1
assert await made(press) == b"…"
"""

import asyncio
import csv
import io
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from db.connect.database import Database
from db.reports.jobs import MadeReport
from db.reports.records import ReportRequest, message_state, request_report
from db.tables.log import MESSAGE
from db.tables.operations import REPORT
from delivery.reports.jobs import RenderJob, ReportRuntime, find_render_jobs, make_report
from delivery.reports.process import RenderOrder, make
from delivery.reports.store import StoreLocation
from delivery.runners.base import Runner
from domain.report import KEPT, ReportChoice, ReportDetail, ReportDevice, ReportFormat
from tests.log import NOON


async def here(order: RenderOrder, *, report_progress: Callable[[int], None]) -> MadeReport:
    """Carry out an order in this process, at noon."""
    return await make(order, clock=lambda: NOON, report_progress=report_progress)


def printing(database: Database, folder: Path, **changes: Any) -> ReportRuntime:
    """Return a press that stores reports in `folder`; its clock shows noon."""
    report_runtime = ReportRuntime(
        database=database, place=StoreLocation(str(folder)), clock=lambda: NOON, render=here
    )
    return replace(report_runtime, **changes)


async def requested_report(
    report_runtime: ReportRuntime,
    message_id: int = 1,
    *,
    devices: tuple[ReportDevice, ...] = tuple(ReportDevice),
    detail: ReportDetail = ReportDetail.ALL,
    format: ReportFormat = ReportFormat.CSV,
    is_masked: bool = False,
    time_zone: str = "America/Chicago",
    by: str = "u1",
    at: datetime = NOON,
    runner: Runner | None = None,
) -> int:
    """Request a report, as `createReport` does after its checks, and announce it in the same transaction. Return its id."""
    request = ReportRequest(
        message_id=message_id,
        district_id=1,
        choice=ReportChoice(devices, detail, format),
        is_masked=is_masked,
        time_zone=time_zone,
        file_name=f"Report.{format.lower()}",
        requested_by_id=by,
        requested_by_name="Administrator, System",
        requested_at=at,
        expires_at=at + KEPT,
    )
    async with report_runtime.database.writing() as connection:
        id, _ = await request_report(
            connection, request, read_state=lambda _: message_state(connection, message_id)
        )
        if runner is not None:
            await runner.announce(connection, RenderJob(id))
    return id


async def make_reports(report_runtime: ReportRuntime, *, until: asyncio.Event | None = None) -> int:
    """Make all waiting reports. Return how many became ready."""
    jobs = await find_render_jobs(report_runtime)
    return sum(
        [await make_report(report_runtime, job, until=until or asyncio.Event()) for job in jobs]
    )


async def row(database: Database, id: int = 1) -> Any:
    """Return the row of a report."""
    async with database.reading() as connection:
        return (await connection.execute(select(REPORT).where(REPORT.c.id == id))).one()


async def made(report_runtime: ReportRuntime, id: int = 1) -> bytes:
    """Return the file of a report."""
    key: str = (await row(report_runtime.database, id)).file_key
    return (Path(report_runtime.place.address) / key).read_bytes()


async def detail_rows(report_runtime: ReportRuntime, id: int = 1) -> list[list[str]]:
    """Return the Delivery Detail of a CSV report, without its header."""
    file = (await made(report_runtime, id)).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(file, newline="")))
    start = next(n for n, row in enumerate(rows) if row[0] == "Recipient")
    return rows[start + 1 :]


def files(report_runtime: ReportRuntime) -> list[str]:
    """Return the names of the files in the store."""
    folder = Path(report_runtime.place.address)
    return sorted(os.listdir(folder)) if folder.exists() else []


async def hurry(database: Database) -> None:
    """End every lease and every pause, as if their time had passed."""
    # Leases use the database's clock, which tests cannot set.
    past = datetime.now(NOON.tzinfo) - timedelta(hours=1)
    async with database.writing() as connection:
        await connection.execute(update(REPORT).values(due_at=None))
        claimed = REPORT.c.claim.is_not(None)
        await connection.execute(update(REPORT).where(claimed).values(lease_until=past))


async def message_called(database: Database, external_id: str) -> int:
    """Return our id of a message."""
    async with database.reading() as connection:
        statement = select(MESSAGE.c.id).where(MESSAGE.c.external_id == external_id)
        return int((await connection.execute(statement)).scalar_one())


class Stuck:
    """A renderer that waits until it is released, and then calls `then`."""

    def __init__(self, then: Any = here) -> None:
        self.begun = asyncio.Event()
        self.released = asyncio.Event()
        self._then = then

    async def __call__(
        self, order: RenderOrder, *, report_progress: Callable[[int], None]
    ) -> MadeReport:
        self.begun.set()
        await self.released.wait()
        result: MadeReport = await self._then(order, report_progress=report_progress)
        return result
