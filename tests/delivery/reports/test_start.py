"""The report process: forked or new, at ordinary priority for a small report, and ended when it is not needed."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import update

from db.connect.database import Database
from db.reports.jobs import MadeReport
from db.tables.log import TALLY
from delivery.reports import start as report_start
from delivery.reports.child import Broken, render_in_process
from delivery.reports.failures import FailureKind
from delivery.reports.jobs import ReportRuntime
from delivery.reports.process import RenderOrder
from delivery.reports.start import ForkServer, Start, new_process
from domain.report import MOST_SMALL, ReportFormat, ReportStatus
from tests.delivery.reports.printing import (
    detail_rows,
    here,
    make_reports,
    printing,
    requested_report,
    row,
)
from tests.delivery.runners.kinds import PATIENCE
from tests.log import district, email, load, message, recipient

ODD: Final = (sys.executable, "-m", "tests.delivery.processes.odd_process")


@pytest.fixture
async def report_runtime(database: Database, tmp_path: Path) -> ReportRuntime:
    """A log with one message and a requested report."""
    await load(database, district(), message("M-1", [recipient("p1", email())]))
    report_runtime = printing(database, tmp_path / "store")
    await requested_report(report_runtime)
    return report_runtime


@pytest.fixture
async def one_press(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[ReportRuntime]:
    """The same on SQLite only, for tests that do not depend on the database: a fork server takes seconds to start."""
    file = shutil.copy(sqlite_template, tmp_path / "sentlog.sqlite3")
    database = Database(f"sqlite+aiosqlite:///{file}")
    await load(database, district(), message("M-1", [recipient("p1", email())]))
    report_runtime = printing(database, tmp_path / "store")
    await requested_report(report_runtime)
    yield report_runtime
    await database.dispose()


@asynccontextmanager
async def forking(*arguments: str) -> AsyncIterator[ForkServer]:
    """Return a fork server: the usual one, or one whose processes have a fault."""
    forks = ForkServer((*ODD, "fork", *arguments)) if arguments else ForkServer()
    try:
        yield forks
    finally:
        await forks.close()


async def order_of(report_runtime: ReportRuntime, *, is_large: bool = False) -> RenderOrder:
    """Return the order of a report that another process has claimed."""
    taken: list[RenderOrder] = []

    async def take(order: RenderOrder, *, report_progress: Callable[[int], None]) -> MadeReport:
        taken.append(order)
        return await here(order, report_progress=report_progress)

    await make_reports(replace(report_runtime, render=take))
    return replace(taken[0], is_large=is_large, key="9.x.csv")


async def failure_of(order: RenderOrder, start: Start) -> tuple[FailureKind, str]:
    """Return the failure of making a report."""
    with pytest.raises(Broken) as met:
        await render_in_process(order, report_progress=lambda percent: None, start=start)
    return met.value.failure.kind, met.value.failure.error


# Which priority


@pytest.mark.parametrize(("rows", "is_large"), [(MOST_SMALL, False), (MOST_SMALL + 1, True)])
async def test_a_report_is_large_from_the_row_after_the_five_thousandth(
    report_runtime: ReportRuntime, rows: int, is_large: bool
) -> None:
    assert MOST_SMALL == 5_000
    seen: list[bool] = []

    async def render(order: RenderOrder, *, report_progress: Callable[[int], None]) -> MadeReport:
        seen.append(order.is_large)
        return await here(order, report_progress=report_progress)

    async with report_runtime.database.writing() as connection:
        await connection.execute(update(TALLY).values(deliveries=rows))

    assert await make_reports(replace(report_runtime, render=render)) == 1
    assert seen == [is_large]


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="only Linux has such a class")
async def test_a_small_report_has_the_ordinary_priority_and_a_large_one_the_idle_class(
    report_runtime: ReportRuntime,
) -> None:
    order = await order_of(report_runtime)
    large = replace(order, is_large=True)
    async with forking("policy") as forks:
        for start in (forks.fork, new_process((*ODD, "new", "policy"))):
            assert await failure_of(large, start) == (FailureKind.RENDERING, "Idle")
            # After the large one, which took nothing from those that come later.
            assert await failure_of(order, start) == (FailureKind.RENDERING, "Ordinary")


# Forked processes


async def test_forked_processes_make_reports_of_every_format_side_by_side(
    report_runtime: ReportRuntime,
) -> None:
    ids = [
        1,
        *[
            await requested_report(report_runtime, format=format)
            for format in ReportFormat
            if format != "CSV"
        ],
    ]
    async with forking() as forks:
        usual = replace(report_runtime, render=partial(render_in_process, start=forks.fork))
        assert sum(await asyncio.gather(*(make_reports(usual) for _ in range(2)))) == len(ids)
    reports = [await row(report_runtime.database, id) for id in ids]
    assert {report.status for report in reports} == {ReportStatus.READY}
    assert len(await detail_rows(report_runtime)) == 1


@pytest.mark.parametrize(
    ("how", "failure"),
    [
        ("kill", (FailureKind.KILLED, "the process ended with -9 and without a result")),
        ("abort", (FailureKind.CRASHED, "the process ended with -6 and without a result")),
    ],
)
async def test_the_failure_shows_how_a_forked_process_ended(
    one_press: ReportRuntime, how: str, failure: tuple[FailureKind, str]
) -> None:
    order = await order_of(one_press)
    async with forking(how) as forks:
        assert await failure_of(order, forks.fork) == failure


async def test_the_reason_of_a_fork_server_that_cannot_start_is_reported_and_it_is_started_again(
    one_press: ReportRuntime,
) -> None:
    order = await order_of(one_press)
    why = "the fork server for reports ended: ImportError: no module that renders: install it again"
    async with forking("early") as forks:
        for _ in range(2):
            assert await failure_of(order, forks.fork) == (FailureKind.NOT_STARTED, why)


class Halted:
    """A process that is suspended in the middle of a report."""

    def __init__(self, folder: Path) -> None:
        self.fifo = folder / "fifo"
        os.mkfifo(self.fifo)

    async def ended(self, *, by: Callable[[int], object]) -> None:
        """Wait until the process is suspended, call `by`, and wait until the process has ended."""
        async with asyncio.timeout(PATIENCE):
            file = await asyncio.to_thread(self.fifo.open)
            by(int(await asyncio.to_thread(file.readline)))
            assert await asyncio.to_thread(file.read) == ""
            file.close()


async def test_a_forked_process_ends_when_its_report_is_canceled(
    one_press: ReportRuntime, tmp_path: Path
) -> None:
    order, halted = await order_of(one_press), Halted(tmp_path)
    async with forking("halt", str(halted.fifo)) as forks:
        work = asyncio.ensure_future(
            render_in_process(order, report_progress=lambda percent: None, start=forks.fork)
        )
        await halted.ended(by=lambda pid: work.cancel())
        with pytest.raises(asyncio.CancelledError):
            await work


async def test_forked_processes_end_with_the_server(
    one_press: ReportRuntime, tmp_path: Path
) -> None:
    """A killed server closes its end of the socket."""
    order, halted = await order_of(one_press), Halted(tmp_path)
    async with forking("halt", str(halted.fifo)) as forks:
        work = asyncio.ensure_future(failure_of(order, forks.fork))

        def cut(pid: int) -> None:
            assert forks._requests is not None
            forks._requests.close()

        await halted.ended(by=cut)
        assert (await work)[0] is FailureKind.NOT_STARTED
        assert forks._process is not None
        assert await forks._process.wait() == 0


async def test_a_fork_server_that_was_killed_is_replaced(one_press: ReportRuntime) -> None:
    async with forking() as forks:
        usual = replace(one_press, render=partial(render_in_process, start=forks.fork))
        await forks.start()
        assert forks._process is not None
        forks._process.send_signal(signal.SIGKILL)
        await forks._process.wait()
        assert await make_reports(usual) == 1


async def test_concurrent_reports_share_a_restarted_fork_server(one_press: ReportRuntime) -> None:
    order = await order_of(one_press)
    async with forking("nothing") as forks:
        await forks.start()
        assert forks._requests is not None
        forks._requests.close()  # as if it had died a moment ago: nothing can be asked of it
        started: list[object] = []
        start = forks.start

        async def starting() -> None:
            await start()
            started.append(forks._process)

        forks.start = starting  # type: ignore[method-assign]
        made = await asyncio.gather(
            *(
                render_in_process(
                    replace(order, key=f"9.{n}.csv"),
                    report_progress=lambda percent: None,
                    start=forks.fork,
                )
                for n in range(3)
            )
        )
        assert [one.row_count for one in made] == [1, 1, 1]
        assert len(set(started)) == 2


async def test_signals_for_the_whole_service_leave_the_reports_to_the_server(
    one_press: ReportRuntime, tmp_path: Path
) -> None:
    """Ctrl-C and a service manager's stop reach every process: the server gives its reports back, then ends the others."""
    order = await order_of(one_press)
    async with forking("nothing") as forks:
        made = await render_in_process(
            order, report_progress=lambda percent: None, start=forks.fork
        )
        assert made.row_count == 1  # so it has imported everything
        assert forks._process is not None
        for signalled in (signal.SIGINT, signal.SIGTERM):
            forks._process.send_signal(signalled)
        made = await render_in_process(
            order, report_progress=lambda percent: None, start=forks.fork
        )
        assert made.row_count == 1


async def test_no_fork_server_starts_for_a_server_that_ends_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    until = asyncio.Event()
    until.set()
    async with forking() as forks:
        await forks.prepare(until)
        assert forks._process is None
        monkeypatch.setattr(report_start, "UNTIL_PREPARED", 0.0)
        await forks.prepare(asyncio.Event())
        assert forks._process is not None
