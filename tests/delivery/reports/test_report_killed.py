"""kill -9 in the middle of a report: no incomplete file can be downloaded, nothing is left, and it is made again."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, TextIO

import pytest

from db.connect.database import Database
from delivery.reports.child import render_in_process
from delivery.reports.jobs import ReportRuntime
from delivery.reports.start import new_process
from delivery.reports.store import NotStored, open_store
from domain.ids import Kind
from domain.report import ReportStatus
from tests.delivery.processes.halting_process import PERCENT
from tests.delivery.processes.press_process import COMMAND
from tests.delivery.reports.printing import (
    detail_rows,
    files,
    hurry,
    make_reports,
    printing,
    requested_report,
    row,
)
from tests.delivery.runners.kinds import PATIENCE, ROOT, holds_anywhere
from tests.log import NOON, district, email, load, message, recipient

PROGRAM: Final = (sys.executable, "-m", "tests.delivery.processes.halting_process")
PEOPLE: Final = 3_000
DEVICES: Final = 2


@pytest.fixture
async def report_runtime(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ReportRuntime:
    """A log with one message of some thousand deliveries, and a requested report."""
    people = [
        recipient(f"p{n}", *(email(f"{n}.{m}@nomail.example") for m in range(DEVICES)))
        for n in range(PEOPLE)
    ]
    await load(database, district(), message("M-1", people))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    report_runtime = printing(
        database,
        tmp_path / "store",
        render=partial(render_in_process, start=new_process((*PROGRAM, "never"))),
    )
    await requested_report(report_runtime)
    return report_runtime


class Halted:
    """A process that is suspended in the middle of a report."""

    def __init__(self, folder: Path, moment: str) -> None:
        self._fifo = folder / "fifo"
        os.mkfifo(self._fifo)
        self._file: TextIO
        self.program = (*PROGRAM, moment, str(self._fifo))

    async def reached(self) -> int:
        """Wait until the process is suspended. Return its pid."""
        async with asyncio.timeout(PATIENCE):
            self._file = await asyncio.to_thread(self._fifo.open)
            return int(await asyncio.to_thread(self._file.readline))

    async def ended(self) -> None:
        """Wait until the process has ended."""
        async with asyncio.timeout(PATIENCE):
            assert await asyncio.to_thread(self._file.read) == ""
        self._file.close()


@asynccontextmanager
async def serving(
    report_runtime: ReportRuntime, *program: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a server process, which is killed at the end."""
    url = report_runtime.database.engine.url.render_as_string(hide_password=False)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, url, report_runtime.place.address, NOON.isoformat(), *program, cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def has_begun(report_runtime: ReportRuntime, *, percent: int) -> None:
    """Wait until the row shows this progress of an unfinished report."""

    async def is_in_the_middle() -> bool:
        report = await row(report_runtime.database)
        return report.status is ReportStatus.RENDERING and percent <= report.progress_percent < 100

    await holds_anywhere(report_runtime.database, 1, is_in_the_middle, kind=Kind.REPORT)


async def nothing_is_to_be_had(report_runtime: ReportRuntime) -> None:
    """Check that no row has a file, and that the store has no complete file."""
    assert (await row(report_runtime.database)).file_key is None
    assert [name for name in files(report_runtime) if not name.endswith(".part")] == []
    assert os.listdir(Path(report_runtime.place.address).with_name("temporary")) == []


async def all_is_there(report_runtime: ReportRuntime) -> None:
    """Check that the report is ready and complete, and that its file is the only one."""
    report = await row(report_runtime.database)
    assert (report.status, report.row_count) == (ReportStatus.READY, PEOPLE * DEVICES)
    assert files(report_runtime) == [report.file_key]
    assert len(await detail_rows(report_runtime)) == PEOPLE * DEVICES


@pytest.mark.parametrize(("moment", "left"), [("rows", 0), ("store", 1)])
async def test_a_process_that_is_killed_in_the_middle_leaves_no_file_and_its_report_is_made_again(
    report_runtime: ReportRuntime, tmp_path: Path, moment: str, left: int
) -> None:
    halted = Halted(tmp_path, moment)
    render = partial(render_in_process, start=new_process(halted.program))
    working = asyncio.ensure_future(make_reports(replace(report_runtime, render=render)))
    child = await halted.reached()
    if moment == "rows":
        await has_begun(report_runtime, percent=PERCENT)
    assert len(files(report_runtime)) == left
    os.kill(child, signal.SIGKILL)
    await halted.ended()

    assert await working == 0
    report = await row(report_runtime.database)
    assert (report.status, report.progress_percent) == (ReportStatus.QUEUED, 0)
    await nothing_is_to_be_had(report_runtime)
    await hurry(report_runtime.database)
    assert await make_reports(report_runtime) == 1
    await all_is_there(report_runtime)


@pytest.mark.parametrize(("moment", "left"), [("rows", 0), ("store", 1)])
async def test_a_server_that_is_killed_in_the_middle_is_replaced_and_its_process_stops(
    report_runtime: ReportRuntime, tmp_path: Path, moment: str, left: int
) -> None:
    halted = Halted(tmp_path, moment)
    async with serving(report_runtime, *halted.program) as server:
        child = await halted.reached()
        await has_begun(report_runtime, percent=PERCENT if moment == "rows" else 0)
        if moment == "store":
            # The machine goes down: neither hears of the other's end, and a process that is halted is not woken by it.
            server.send_signal(signal.SIGSTOP)
            os.kill(child, signal.SIGKILL)
        server.kill()
        assert await server.wait() == -signal.SIGKILL
    assert (await row(report_runtime.database)).status is ReportStatus.RENDERING
    assert len(files(report_runtime)) == left
    if moment == "rows":
        os.kill(child, signal.SIGCONT)  # nobody is there to hear its next word
    await halted.ended()
    await nothing_is_to_be_had(report_runtime)

    await hurry(report_runtime.database)
    async with serving(report_runtime, *PROGRAM, "never"):

        async def is_ready() -> bool:
            return (await row(report_runtime.database)).status is ReportStatus.READY

        await holds_anywhere(report_runtime.database, 1, is_ready, kind=Kind.REPORT)
    await all_is_there(report_runtime)
    assert (await row(report_runtime.database)).attempts == 2


async def test_a_file_stored_after_its_server_died_is_never_served(
    report_runtime: ReportRuntime, tmp_path: Path
) -> None:
    """Its server is gone, so no row has its file; the next attempt removes it."""
    halted = Halted(tmp_path, "store")
    async with serving(report_runtime, *halted.program):
        child = await halted.reached()
    os.kill(child, signal.SIGCONT)
    await halted.ended()
    (orphan,) = files(report_runtime)
    assert (await row(report_runtime.database)).file_key is None
    await hurry(report_runtime.database)
    assert await make_reports(report_runtime) == 1
    await all_is_there(report_runtime)
    with pytest.raises(NotStored):
        await anext(open_store(report_runtime.place).get(orphan, 0, 1))
