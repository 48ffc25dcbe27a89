"""Making reports: progress, interruptions, and results."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from db.connect.database import Database
from db.reports.jobs import MadeReport
from delivery.reports import child
from delivery.reports.child import Broken
from delivery.reports.failures import Failure, FailureKind, viewer_message
from delivery.reports.jobs import ReportRuntime, expire
from delivery.reports.process import RenderOrder
from delivery.reports.store import StoreLocation
from domain.report import KEPT, ReportFormat, ReportStatus
from tests.delivery.reports.printing import (
    Stuck,
    detail_rows,
    files,
    here,
    hurry,
    make_reports,
    printing,
    requested_report,
    row,
)
from tests.log import NOON, district, email, load, message, recipient, school


@pytest.fixture
def report_runtime(database: Database, tmp_path: Path) -> ReportRuntime:
    return printing(database, tmp_path / "store")


# How they are made


@pytest.fixture
async def one(report_runtime: ReportRuntime) -> ReportRuntime:
    """A log with one message and a requested report."""
    await load(
        report_runtime.database,
        district(),
        school("east"),
        message("M-1", [recipient("p1", email())]),
    )
    await requested_report(report_runtime)
    return report_runtime


async def test_a_ready_report_has_size_and_hash_of_its_file(one: ReportRuntime) -> None:
    assert await make_reports(one) == 1
    report = await row(one.database)
    assert (report.status, report.as_of, report.row_count) == (ReportStatus.READY, NOON, 1)
    assert report.file_key.startswith("1.")
    assert report.file_key.endswith(".csv")
    assert len(report.sha256) == 64
    assert (report.claim, report.lease_until, report.failure) == (None, None, None)
    assert await make_reports(one) == 0


async def test_progress_is_written_and_the_claim_renewed(one: ReportRuntime) -> None:
    seen, committed = [], asyncio.Event()

    async def render(order: RenderOrder, *, report_progress: Callable[[int], None]) -> MadeReport:
        with one.database.after_commits(committed.set):
            report_progress(40)
            await committed.wait()
        report = await row(one.database)
        seen.append((report.status, report.progress_percent))
        return await here(order, report_progress=report_progress)

    report_runtime = replace(one, render=render, step=timedelta(0))
    assert await make_reports(report_runtime) == 1
    assert seen == [(ReportStatus.RENDERING, 40)]


async def test_a_failing_report_is_tried_three_times_and_then_has_a_message(
    one: ReportRuntime,
) -> None:
    async def render(order: RenderOrder, *, report_progress: Callable[[int], None]) -> MadeReport:
        raise Broken(Failure(FailureKind.RENDERING, "ValueError"))

    report_runtime = replace(one, render=render)
    for attempt in (1, 2):
        assert await make_reports(report_runtime) == 0
        report = await row(one.database)
        assert (report.status, report.attempts) == (ReportStatus.QUEUED, attempt)
        assert report.due_at is not None
        await hurry(one.database)
    assert await make_reports(report_runtime) == 0
    report = await row(one.database)
    assert (report.status, report.failure) == (
        ReportStatus.FAILED,
        viewer_message(FailureKind.RENDERING),
    )
    assert report.claim is None


async def test_a_failed_report_does_not_block_the_next(one: ReportRuntime) -> None:
    second = await requested_report(one, format=ReportFormat.XLSX)

    async def render(order: RenderOrder, *, report_progress: Callable[[int], None]) -> MadeReport:
        if order.job.id != second:
            raise OSError("the disk is full")
        return await here(order, report_progress=report_progress)

    assert await make_reports(replace(one, render=render)) == 1
    assert (await row(one.database, second)).status is ReportStatus.READY


async def test_a_process_that_lost_its_claim_leaves_no_file(one: ReportRuntime) -> None:
    slow = Stuck()
    working = asyncio.ensure_future(make_reports(replace(one, render=slow)))
    await slow.begun.wait()
    await hurry(one.database)
    assert await make_reports(one) == 1  # somebody else takes it over and is faster
    report = await row(one.database)
    slow.released.set()
    assert await working == 0
    assert await row(one.database) == report
    assert files(one) == [report.file_key]


async def test_a_report_that_is_stopped_waits_again(one: ReportRuntime) -> None:
    slow = Stuck()
    until = asyncio.Event()
    working = asyncio.ensure_future(make_reports(replace(one, render=slow), until=until))
    await slow.begun.wait()
    until.set()
    assert await working == 0
    report = await row(one.database)
    assert (report.status, report.attempts, report.claim) == (ReportStatus.QUEUED, 0, None)


async def test_a_report_that_takes_too_long_times_out(one: ReportRuntime) -> None:
    report_runtime = replace(one, render=Stuck(), limit=timedelta(0))
    assert await make_reports(report_runtime) == 0
    assert (await row(one.database)).status is ReportStatus.QUEUED


# The process


async def test_a_child_process_makes_the_report(one: ReportRuntime) -> None:
    report_runtime = replace(one, render=child.render_in_process)
    assert await make_reports(report_runtime) == 1
    report = await row(one.database)
    assert report.status is ReportStatus.READY
    assert report.as_of > datetime(2025, 1, 1, tzinfo=UTC)  # its own clock
    assert [row[0] for row in await detail_rows(one)] == ["Parent, Heather*"]


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="only Linux has such a class")
async def test_the_process_of_a_large_report_has_idle_priority() -> None:
    code = "import os; from delivery.reports.process import lower_priority; lower_priority(); print(os.sched_getscheduler(0))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert int(said) == os.SCHED_IDLE


async def test_the_failure_of_a_process_has_no_content_of_the_report(one: ReportRuntime) -> None:
    taken: list[RenderOrder] = []

    async def take(order: RenderOrder, *, report_progress: Callable[[int], None]) -> MadeReport:
        taken.append(order)
        raise Broken(Failure(FailureKind.RENDERING, ""))

    await make_reports(replace(one, render=take))
    broken = replace(taken[0], place=StoreLocation(f"{one.place.address}/\0"))
    with pytest.raises(Broken) as met:
        await child.render_in_process(broken, report_progress=lambda percent: None)
    failure = met.value.failure
    assert (failure.kind, failure.error) == (FailureKind.RENDERING, "ValueError")
    assert failure.where[-1].endswith("in mkdir")
    assert "null" not in str(met.value)  # the error's own words


# The end


async def test_after_a_day_the_file_is_gone_and_the_report_is_expired(one: ReportRuntime) -> None:
    assert await make_reports(one) == 1
    late = replace(one, clock=lambda: NOON + KEPT - timedelta(seconds=1))
    assert await expire(late) == 0
    assert len(files(one)) == 1
    over = replace(one, clock=lambda: NOON + KEPT)
    assert await expire(over) == 1
    assert files(one) == []
    report = await row(one.database)
    assert (report.status, report.file_key) == (ReportStatus.EXPIRED, None)
    assert await expire(over) == 0


async def test_files_of_a_killed_process_are_removed_with_the_report(one: ReportRuntime) -> None:
    assert await make_reports(one) == 1
    left = Path(one.place.address, "1.abcdef.csv.part")
    other = Path(one.place.address, "11.abcdef.csv")
    for file in (left, other):
        file.write_bytes(b"half")
    assert await expire(replace(one, clock=lambda: NOON + KEPT)) == 1
    assert files(one) == [other.name]
