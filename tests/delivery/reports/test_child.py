"""The promise: no output or fault of a library disturbs the channel of a report process or reveals a name."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import structlog
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from db.connect.database import Database
from db.reports.jobs import MadeReport
from delivery.reports.child import render_in_process
from delivery.reports.jobs import ReportRuntime
from delivery.reports.process import RenderOrder
from delivery.reports.start import new_process
from domain.report import ReportStatus
from server.process.log_output import OWN_PACKAGES, configure
from tests.canaries import KINDS
from tests.delivery.processes.leaking_process import NAME, SECRET
from tests.delivery.reports.printing import (
    detail_rows,
    here,
    make_reports,
    printing,
    requested_report,
    row,
)
from tests.log import NOON, district, email, load, message, recipient, school

PROGRAM: Final = (sys.executable, "-m", "tests.delivery.processes.leaking_process")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Return the server's log output; restore the configuration after the test."""
    root, raises = logging.getLogger(), logging.raiseExceptions
    loggers = [root, *(logging.getLogger(name) for name in (*OWN_PACKAGES, "uvicorn.access"))]
    before = [(logger, list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    stream = io.StringIO()
    configure("info", "json", clock=lambda: NOON, stream=stream)
    yield stream
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
    logging.raiseExceptions = raises
    structlog.reset_defaults()


async def pressing(database: Database, folder: Path, how: str) -> ReportRuntime:
    """Request a report, and make it with a process that leaks."""
    await load(database, district(), school("east"), message("M-1", [recipient("p1", email())]))
    render = partial(render_in_process, start=new_process((*PROGRAM, how)))
    report_runtime = printing(database, folder / "store", render=render)
    await requested_report(report_runtime)
    return report_runtime


def lines_of(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("how", "status", "failure"),
    [
        ("ends", ReportStatus.READY, None),
        ("raises", ReportStatus.QUEUED, ("RENDERING", "ValueError")),
        (
            "crashes",
            ReportStatus.QUEUED,
            ("CRASHED", "the process ended with -6 and without a result"),
        ),
    ],
)
async def test_a_name_in_a_library_s_output_appears_nowhere(
    database: Database,
    tmp_path: Path,
    log: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    how: str,
    status: ReportStatus,
    failure: tuple[str, str] | None,
) -> None:
    report_runtime = await pressing(database, tmp_path, how)

    assert await make_reports(report_runtime) == (status is ReportStatus.READY)

    assert (await row(database)).status is status
    assert capfd.readouterr() == ("", "")
    written = log.getvalue()
    assert {kind for kind, pattern in KINDS.items() if pattern.search(written)} == set()
    assert NAME not in written
    lines = lines_of(log)
    said = [(line["logger"], line["level"], line["event"]) for line in lines]
    assert said[:8] == [
        ("py.warnings", "warning", "a library warned"),
        ("fontTools.subset", "warning", "a library wrote a log line"),
        ("fontTools.subset", "error", "a library wrote a log line"),
        ("fontTools.subset", "error", "a library wrote a log line"),
        ("renderers.pdf", "error", "a page failed"),
        ("delivery", "error", "a thread of the report process failed"),
        ("delivery", "error", "an exception could not be raised"),
        (
            "delivery.reports.child",
            "warning",
            "output of the report process outside of its log was dropped",
        ),
    ]
    # What is needed to mend it: where, and what kind of error.
    assert all(line["report_id"] == "report.1" for line in lines)
    assert lines[1]["where"].startswith("leaking_process:")
    assert (lines[4]["rows"], lines[4]["error"], lines[4].get("dropped")) == (
        7,
        "ValueError",
        ["name"],
    )
    assert lines[4]["where"][-1].endswith("in leak")
    assert lines[7]["bytes"] >= 2 * 2_000 * len(SECRET)
    if failure is not None:
        assert (lines[8]["reason"], lines[8]["cause"]) == failure
    else:
        assert len(await detail_rows(report_runtime)) == 1


async def test_the_reason_of_a_process_that_cannot_start_is_logged(
    database: Database, tmp_path: Path, log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    """The process has no content of a report yet, so its output may be logged."""
    report_runtime = await pressing(database, tmp_path, "early")

    assert await make_reports(report_runtime) == 0

    (line,) = lines_of(log)
    assert (line["reason"], line["cause"]) == (
        "NOT_STARTED",
        "the process ended with 1 and without a result: ImportError: no module that renders: install it again",
    )
    assert capfd.readouterr() == ("", "")


async def test_a_report_stays_ready_if_the_confirmation_of_its_commit_was_lost(
    database: Database, tmp_path: Path
) -> None:
    report_runtime = await pressing(database, tmp_path, "ends")
    report_runtime = printing(database, tmp_path / "store")
    commits: list[None] = []

    def lose_the_second_answer() -> None:
        commits.append(None)
        if len(commits) == 2:  # the first is the claim's
            raise OperationalError("COMMIT", {}, Exception("connection lost"))

    with database.after_commits(lose_the_second_answer):
        assert await make_reports(report_runtime) == 1

    assert (await row(database)).status is ReportStatus.READY
    assert len(await detail_rows(report_runtime)) == 1


async def test_a_report_continues_during_a_database_outage(
    database: Database, tmp_path: Path
) -> None:
    """Its lease lasts a minute: one failed renewal is no reason to start again."""
    report_runtime = await pressing(database, tmp_path, "ends")
    looks: list[None] = []
    failed = asyncio.Event()

    def be_away(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "progress_percent" in statement and "lease_until" in statement and not looks:
            looks.append(None)
            failed.set()
            raise OperationalError(statement, {}, Exception("connection lost"))

    async def render(order: RenderOrder, *, report_progress: Callable[[int], None]) -> MadeReport:
        event.listen(database.engine.sync_engine, "before_cursor_execute", be_away)
        report_progress(40)
        await failed.wait()
        return await here(order, report_progress=report_progress)

    report_runtime = printing(database, tmp_path / "store", render=render, step=timedelta(0))
    assert await make_reports(report_runtime) == 1
    assert looks == [None]
