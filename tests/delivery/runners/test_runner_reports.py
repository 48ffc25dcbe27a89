"""The promise of both runners for reports: each requested report is made once, also if jobs get lost, beside other work."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from db.reports.jobs import MadeReport
from delivery.dispatch.runtime import Runtime
from delivery.reports.child import Broken
from delivery.reports.failures import Failure, FailureKind
from delivery.reports.jobs import RenderJob, ReportRuntime
from delivery.reports.process import RenderOrder
from delivery.runners.base import Attempt, Runner, attempt_report
from delivery.runners.procrastinate import CONCURRENT_JOBS, PRINT
from domain.report import KEPT, ReportFormat, ReportStatus
from tests.delivery.reports.printing import (
    Stuck,
    files,
    here,
    hurry,
    make_reports,
    printing,
    requested_report,
    row,
)
from tests.delivery.runners.kinds import (
    PATIENCE,
    all_handed_over,
    announce,
    at_work,
    holds,
    runner_of,
)
from tests.delivery.world import FakeGateway, World, call, mail, people
from tests.log import NOON

JOBS = "select task_name, status::text from procrastinate_jobs order by id"


@pytest.fixture
def runtime(world: World) -> Runtime:
    return world.runtime


@pytest.fixture
async def report_runtime(world: World, tmp_path: Path) -> ReportRuntime:
    """A log with one message and no due deliveries."""
    await world.load(people(2, mail), scheduled_at=NOON + timedelta(days=1))
    return printing(world.database, tmp_path / "store")


async def has_become(report_runtime: ReportRuntime, status: ReportStatus, *ids: int) -> None:
    """Wait until the reports have a status."""

    async def all_are() -> bool:
        return {(await row(report_runtime.database, id)).status for id in ids or [1]} == {status}

    await holds(report_runtime.database, all_are)


async def ask_and_announce(
    report_runtime: ReportRuntime, runner: Runner, format: ReportFormat
) -> int:
    return await requested_report(report_runtime, format=format, runner=runner)


async def test_a_report_that_is_announced_does_not_wait_for_the_next_round(
    report_runtime: ReportRuntime, runtime: Runtime
) -> None:
    runner = runner_of(runtime, report_runtime, has_rounds=False)
    async with at_work(runner):
        for format in (ReportFormat.CSV, ReportFormat.DOCX):
            id = await ask_and_announce(report_runtime, runner, format)
            await has_become(report_runtime, ReportStatus.READY, id)
    assert len(files(report_runtime)) == 2


async def test_a_report_is_found_without_an_announcement(
    report_runtime: ReportRuntime, runtime: Runtime
) -> None:
    async with at_work(runner_of(runtime, report_runtime)):
        await requested_report(report_runtime)
        await has_become(report_runtime, ReportStatus.READY)


async def test_a_report_whose_job_was_lost_is_found_again(
    report_runtime: ReportRuntime, runtime: Runtime
) -> None:
    await ask_and_announce(report_runtime, runner_of(runtime, report_runtime), ReportFormat.CSV)
    if report_runtime.database.is_postgresql:
        async with report_runtime.database.writing() as connection:
            await connection.execute(text("delete from procrastinate_jobs"))
    async with at_work(runner_of(runtime, report_runtime)):
        await has_become(report_runtime, ReportStatus.READY)


async def test_a_job_that_runs_twice_makes_one_report(report_runtime: ReportRuntime) -> None:
    job = RenderJob(await requested_report(report_runtime))
    assert await attempt_report(report_runtime, job, until=asyncio.Event()) is Attempt.DONE
    before, kept = await row(report_runtime.database), files(report_runtime)
    assert await attempt_report(report_runtime, job, until=asyncio.Event()) is Attempt.NOTHING
    assert (await row(report_runtime.database), files(report_runtime)) == (before, kept)
    assert len(kept) == 1


async def test_a_job_of_a_missing_report_does_nothing(report_runtime: ReportRuntime) -> None:
    assert (
        await attempt_report(report_runtime, RenderJob(9), until=asyncio.Event()) is Attempt.NOTHING
    )
    assert files(report_runtime) == []


async def test_a_report_does_not_wait_for_busy_delivery_workers(
    world: World, tmp_path: Path
) -> None:
    reached, opened = asyncio.Event(), asyncio.Event()

    async def meanwhile() -> None:
        if len(gateway.waves) >= CONCURRENT_JOBS or not world.database.is_postgresql:
            reached.set()
        await opened.wait()

    gateway = world.use(FakeGateway(meanwhile=meanwhile))
    message_id = await world.load(people(500 * CONCURRENT_JOBS + 1, mail))
    report_runtime = printing(world.database, tmp_path / "store")
    runner = runner_of(world.runtime, report_runtime)
    async with at_work(runner):
        await announce(world.database, runner)
        async with asyncio.timeout(PATIENCE):
            await reached.wait()
        await ask_and_announce(report_runtime, runner, ReportFormat.CSV)
        await has_become(report_runtime, ReportStatus.READY)
        assert (await world.statuses(message_id))["PENDING"] > 0
        opened.set()
        await all_handed_over(world.database, message_id)


async def test_deliveries_do_not_wait_for_reports(
    world: World, report_runtime: ReportRuntime
) -> None:
    slow = Stuck()
    runner = runner_of(world.runtime, replace(report_runtime, render=slow))
    async with at_work(runner):
        for format in ReportFormat:
            await ask_and_announce(report_runtime, runner, format)
        async with asyncio.timeout(PATIENCE):
            await slow.begun.wait()
        message_id = await world.load(people(CONCURRENT_JOBS, call), id="M-2")
        await announce(report_runtime.database, runner)
        await all_handed_over(report_runtime.database, message_id)
        slow.released.set()
        await has_become(report_runtime, ReportStatus.READY, 1, 2, 3, 4)


async def test_a_worker_makes_one_report_at_a_time(
    report_runtime: ReportRuntime, runtime: Runtime
) -> None:
    at_once: list[int] = []
    running = 0

    async def render(order: RenderOrder, *, report_progress: Callable[[int], None]) -> MadeReport:
        nonlocal running
        running += 1
        at_once.append(running)
        made = await here(order, report_progress=report_progress)
        running -= 1
        return made

    runner = runner_of(runtime, replace(report_runtime, render=render))
    async with at_work(runner):
        for format in ReportFormat:
            await ask_and_announce(report_runtime, runner, format)
        await has_become(report_runtime, ReportStatus.READY, 1, 2, 3, 4)
    assert at_once == [1] * 4


async def test_a_report_that_is_being_made_at_a_stop_is_made_by_the_next_worker(
    report_runtime: ReportRuntime, runtime: Runtime
) -> None:
    slow = Stuck()
    runner = runner_of(runtime, replace(report_runtime, render=slow))
    async with at_work(runner) as until:
        await ask_and_announce(report_runtime, runner, ReportFormat.CSV)
        await ask_and_announce(report_runtime, runner, ReportFormat.PDF)
        async with asyncio.timeout(PATIENCE):
            await slow.begun.wait()
        until.set()
    reports = [await row(report_runtime.database, id) for id in (1, 2)]
    assert [(one.status, one.attempts, one.claim) for one in reports] == [
        (ReportStatus.QUEUED, 0, None)
    ] * 2
    async with at_work(runner_of(runtime, report_runtime)):
        await has_become(report_runtime, ReportStatus.READY, 1, 2)


async def test_a_failed_report_is_retried_and_its_reason_is_logged(
    report_runtime: ReportRuntime, runtime: Runtime
) -> None:
    attempts: list[int] = []

    async def render(order: RenderOrder, *, report_progress: Callable[[int], None]) -> MadeReport:
        attempts.append(order.job.attempts)
        if len(attempts) == 1:
            raise Broken(Failure(FailureKind.RENDERING, "ValueError"))
        return await here(order, report_progress=report_progress)

    runner = runner_of(runtime, replace(report_runtime, render=render))
    with capture_logs() as lines:
        async with at_work(runner):
            await ask_and_announce(report_runtime, runner, ReportFormat.CSV)

            async def has_failed_once() -> bool:
                return (await row(report_runtime.database)).due_at is not None

            await holds(report_runtime.database, has_failed_once)
            await hurry(report_runtime.database)
            await has_become(report_runtime, ReportStatus.READY)
    assert attempts == [1, 2]
    (line,) = [line for line in lines if line["event"] == "the report failed and is retried"]
    assert (line["report_id"], line["cause"]) == ("report.1", "ValueError")


async def test_a_failed_report_job_is_logged_by_its_id(report_runtime: ReportRuntime) -> None:
    def clock() -> datetime:
        raise ZeroDivisionError

    await requested_report(report_runtime)
    before = await row(report_runtime.database)
    with capture_logs() as lines:
        job = attempt_report(
            replace(report_runtime, clock=clock), RenderJob(1), until=asyncio.Event()
        )
        assert await job is Attempt.NOTHING
    assert [(line["event"], line["report_id"]) for line in lines] == [
        ("the job failed", "report.1")
    ]
    assert await row(report_runtime.database) == before


async def test_files_are_removed_when_they_expire(
    report_runtime: ReportRuntime, runtime: Runtime
) -> None:
    await requested_report(report_runtime)
    assert await make_reports(report_runtime) == 1
    assert len(files(report_runtime)) == 1
    over = replace(report_runtime, clock=lambda: NOON + KEPT)
    async with at_work(runner_of(runtime, over)):
        await has_become(report_runtime, ReportStatus.EXPIRED)
    assert files(report_runtime) == []


@pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
async def test_a_report_job_is_committed_or_rolled_back_with_its_request(
    report_runtime: ReportRuntime, runtime: Runtime
) -> None:
    runner = runner_of(runtime, report_runtime)

    async def announce_and_fail() -> None:
        async with report_runtime.database.writing() as connection:
            await runner.announce(connection, RenderJob(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await announce_and_fail()
    assert await World(report_runtime.database).columns_of(JOBS) == []

    await ask_and_announce(report_runtime, runner, ReportFormat.CSV)
    assert await World(report_runtime.database).columns_of(JOBS) == [(PRINT, "todo")]
