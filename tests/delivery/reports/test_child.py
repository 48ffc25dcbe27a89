"""The promise: whatever a library prints, logs or breaks while a report is made, its process is understood, and no name gets out."""

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
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import after_commits
from db.reports.jobs import Made
from delivery.reports.child import in_own_process
from delivery.reports.jobs import Press
from delivery.reports.process import Order
from delivery.reports.start import new_process
from domain.report import ReportStatus
from server.process.log_output import OWN_PACKAGES, configure
from tests.canaries import KINDS
from tests.delivery.processes.leaking_process import NAME, SECRET
from tests.delivery.reports.printing import asked, detail_rows, here, print_all, printing, row
from tests.log import NOON, district, email, load, message, recipient, school

PROGRAM: Final = (sys.executable, "-m", "tests.delivery.processes.leaking_process")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the server writes about itself; what was set up before it comes back after the test."""
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


async def pressing(engine: AsyncEngine, folder: Path, how: str) -> Press:
    """A report is asked for, and made by a process that leaks."""
    await load(engine, district(), school("east"), message("M-1", [recipient("p1", email())]))
    render = partial(in_own_process, start=new_process((*PROGRAM, how)))
    press = printing(engine, folder / "store", render=render)
    await asked(press)
    return press


def lines_of(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("how", "status", "failure"),
    [
        ("ends", ReportStatus.READY, None),
        ("raises", ReportStatus.QUEUED, ("RENDERING", "ValueError")),
        ("crashes", ReportStatus.QUEUED, ("CRASHED", "the process ended with -6 and said nothing")),
    ],
)
async def test_a_name_that_a_library_says_is_heard_nowhere(
    engine: AsyncEngine,
    tmp_path: Path,
    log: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    how: str,
    status: ReportStatus,
    failure: tuple[str, str] | None,
) -> None:
    press = await pressing(engine, tmp_path, how)

    assert await print_all(press) == (status is ReportStatus.READY)

    assert (await row(engine)).status is status
    assert capfd.readouterr() == ("", "")
    written = log.getvalue()
    assert {kind for kind, pattern in KINDS.items() if pattern.search(written)} == set()
    assert NAME not in written
    lines = lines_of(log)
    said = [(line["logger"], line["level"], line["event"]) for line in lines]
    assert said[:8] == [
        ("py.warnings", "warning", "a library warned"),
        ("fontTools.subset", "warning", "a library wrote a line"),
        ("fontTools.subset", "error", "a library wrote a line"),
        ("fontTools.subset", "error", "a library wrote a line"),
        ("renderers.pdf", "error", "a page failed"),
        ("delivery", "error", "a thread failed"),
        ("delivery", "error", "an exception was lost"),
        (
            "delivery.reports.child",
            "warning",
            "what the process that makes a report wrote outside of its log was dropped",
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
        assert len(await detail_rows(press)) == 1


async def test_a_process_that_cannot_start_says_why(
    engine: AsyncEngine, tmp_path: Path, log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing of a report is known by then."""
    press = await pressing(engine, tmp_path, "early")

    assert await print_all(press) == 0

    (line,) = lines_of(log)
    assert (line["reason"], line["cause"]) == (
        "NOT_STARTED",
        "the process ended with 1 and said nothing: ImportError: no module that renders: install it again",
    )
    assert capfd.readouterr() == ("", "")


async def test_a_report_that_is_ready_stays_so_where_the_answer_to_its_commit_was_lost(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    press = await pressing(engine, tmp_path, "ends")
    press = printing(engine, tmp_path / "store")
    commits: list[None] = []

    def lose_the_second_answer() -> None:
        commits.append(None)
        if len(commits) == 2:  # the first is the claim's
            raise OperationalError("COMMIT", {}, Exception("connection lost"))

    with after_commits(engine, lose_the_second_answer):
        assert await print_all(press) == 1

    assert (await row(engine)).status is ReportStatus.READY
    assert len(await detail_rows(press)) == 1


async def test_a_report_goes_on_while_the_database_is_away(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    """Its claim holds for a minute: one look that fails is no reason to begin anew."""
    press = await pressing(engine, tmp_path, "ends")
    looks: list[None] = []
    failed = asyncio.Event()

    def be_away(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "progress_percent" in statement and "lease_until" in statement and not looks:
            looks.append(None)
            failed.set()
            raise OperationalError(statement, {}, Exception("connection lost"))

    async def render(order: Order, *, told: Callable[[int], None]) -> Made:
        event.listen(engine.sync_engine, "before_cursor_execute", be_away)
        told(40)
        await failed.wait()
        return await here(order, told=told)

    press = printing(engine, tmp_path / "store", render=render, step=timedelta(0))
    assert await print_all(press) == 1
    assert looks == [None]
