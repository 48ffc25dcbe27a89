"""A failed report has a message for its viewer, and a cause for the operator in the log."""

import asyncio
import errno
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from db.connect.database import Database
from db.reports.jobs import MadeReport
from db.tables.log import MESSAGE
from db.tables.operations import REPORT
from delivery.reports.child import Broken, render_in_process
from delivery.reports.failures import Failure, FailureKind, failure_of, viewer_message
from delivery.reports.jobs import MOST_ATTEMPTS, ReportRuntime
from delivery.reports.process import RenderOrder
from delivery.reports.start import new_process
from domain.report import ReportDetail, ReportStatus
from tests.canaries import watched
from tests.delivery.reports.printing import (
    Stuck,
    here,
    hurry,
    make_reports,
    printing,
    requested_report,
    row,
)
from tests.delivery.reports.test_start import ODD
from tests.log import NOON, district, email, load, message, recipient

TEMPORARY = tempfile.gettempdir()


def refusing(number: int) -> Callable[..., Any]:
    """Return a system call that fails with this error."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return refuse


def meeting(error: Exception) -> dict[str, Any]:
    """Return a report runtime whose renderer raises this."""

    async def render(order: RenderOrder, *, report_progress: Callable[[int], None]) -> MadeReport:
        raise error

    return {"render": render}


class Case(NamedTuple):
    """A fault, and its expected message and log entry."""

    kind: FailureKind
    changes: dict[str, Any]
    """Of the press."""
    patched: tuple[str, Any] | None
    logged: dict[str, Any]


def refused(kind: FailureKind, call: str, number: int, **where: str) -> Case:
    """A system call of the report that fails with this error."""
    cause = type(OSError(number, "")).__name__
    logged = {"cause": cause, "errno": number, **(where or {"store": "STORE"})}
    return Case(kind, {}, (f"delivery.reports.{call}", refusing(number)), logged)


FSYNC, MKDIR = "store.os.fsync", "store.Path.mkdir"
TEMPORARY_FILE = "process.tempfile.TemporaryFile"

CASES = {
    "the disk is full": refused(FailureKind.STORE_FULL, FSYNC, errno.ENOSPC),
    "the quota is used up": refused(FailureKind.STORE_FULL, FSYNC, errno.EDQUOT),
    "the folder is not writable": refused(FailureKind.STORE_NOT_WRITABLE, MKDIR, errno.EACCES),
    "the file system is read-only": refused(FailureKind.STORE_NOT_WRITABLE, MKDIR, errno.EROFS),
    "the device fails": refused(FailureKind.STORE_FAILED, FSYNC, errno.EIO),
    "the disk for temporary files is full": refused(
        FailureKind.TEMPORARY_FULL, TEMPORARY_FILE, errno.ENOSPC, folder=TEMPORARY
    ),
    "no temporary file may be made": refused(
        FailureKind.TEMPORARY_NOT_WRITABLE, TEMPORARY_FILE, errno.EACCES, folder=TEMPORARY
    ),
    "the process is killed": Case(
        FailureKind.KILLED,
        {
            "render": lambda order, *, report_progress: render_in_process(
                order, report_progress=report_progress, start=new_process((*ODD, "new", "kill"))
            )
        },
        None,
        {"cause": "the process ended with -9 and without a result"},
    ),
    "it takes too long": Case(
        FailureKind.TIMED_OUT,
        {"render": Stuck(), "limit": timedelta(0)},
        None,
        {"cause": "not ready after 0 s"},
    ),
    "there is no memory": Case(
        FailureKind.OUT_OF_MEMORY, meeting(MemoryError()), None, {"cause": "MemoryError"}
    ),
    "the database is away": Case(
        FailureKind.DATABASE_AWAY,
        meeting(OperationalError("", {}, Exception())),
        None,
        {"cause": "OperationalError"},
    ),
    "the renderer meets an error": Case(
        FailureKind.RENDERING, meeting(ValueError("Heather")), None, {"cause": "ValueError"}
    ),
}


@pytest.fixture
async def report_runtime(database: Database, tmp_path: Path) -> ReportRuntime:
    await load(database, district(), message("M-1", [recipient("p1", email())]))
    return printing(database, tmp_path / "store")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_failed_report_has_a_message_for_the_viewer_and_a_cause_in_the_log(
    report_runtime: ReportRuntime, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    await requested_report(report_runtime)
    failing = replace(report_runtime, **case.changes)
    attempts = 1 if case.kind is FailureKind.KILLED else MOST_ATTEMPTS
    if attempts == 1:  # a process for each attempt takes seconds
        await begun_often(report_runtime, attempts=MOST_ATTEMPTS - 1)

    with monkeypatch.context() as patch, capture_logs() as lines, watched() as leaks:
        if case.patched is not None:
            patch.setattr(*case.patched)
        for _ in range(attempts):
            assert await make_reports(failing) == 0
            await hurry(report_runtime.database)

    report = await row(report_runtime.database)
    assert (report.status, report.failure) == (ReportStatus.FAILED, viewer_message(case.kind))
    failed = [line for line in lines if line["event"].startswith("the report failed")]
    assert [line["log_level"] for line in failed] == ["warning"] * (attempts - 1) + ["error"]
    last = failed[-1]
    assert (last["report_id"], last["attempt"], last["reason"]) == ("report.1", 3, case.kind)
    expected = {
        name: report_runtime.place.address if value == "STORE" else value
        for name, value in case.logged.items()
    }
    named = ("cause", "errno", "store", "folder")
    assert {name: last[name] for name in named if name in last} == expected
    assert {leak.kind for leak in leaks} <= {"a path"}  # of the operator's own folders, no name


async def begun_often(report_runtime: ReportRuntime, *, attempts: int) -> None:
    """Set the number of earlier attempts of every report."""
    async with report_runtime.database.writing() as connection:
        await connection.execute(update(REPORT).values(attempts=attempts))


async def test_a_report_whose_recipients_were_purged_fails_at_once(
    report_runtime: ReportRuntime,
) -> None:
    """Without three attempts, and without an incomplete list."""
    await requested_report(report_runtime)
    await requested_report(report_runtime, detail=ReportDetail.SUMMARY)
    async with report_runtime.database.writing() as connection:
        await connection.execute(update(MESSAGE).values(purged_at=NOON))

    with capture_logs() as lines:
        assert await make_reports(report_runtime) == 1

    listing, summary = [await row(report_runtime.database, id) for id in (1, 2)]
    assert (listing.status, listing.failure) == (
        ReportStatus.FAILED,
        viewer_message(FailureKind.PURGED),
    )
    assert summary.status is ReportStatus.READY
    (line,) = [line for line in lines if line.get("report_id") == "report.1"]
    assert (line["log_level"], line["reason"]) == ("info", FailureKind.PURGED)


async def test_a_report_whose_processes_died_has_a_message(report_runtime: ReportRuntime) -> None:
    await requested_report(report_runtime)
    stuck = Stuck(then=lambda order, report_progress: here(order, report_progress=report_progress))
    for _ in range(MOST_ATTEMPTS):
        working = asyncio.ensure_future(make_reports(replace(report_runtime, render=stuck)))
        await stuck.begun.wait()
        stuck.begun.clear()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await hurry(report_runtime.database)
    assert await make_reports(report_runtime) == 0
    report = await row(report_runtime.database)
    assert (report.status, report.failure) == (
        ReportStatus.FAILED,
        viewer_message(FailureKind.WORKER_STOPPED),
    )


def test_every_kind_has_its_own_message_without_a_code_or_a_path() -> None:
    said = [viewer_message(kind) for kind in FailureKind]
    assert len(set(said)) == len(FailureKind)
    for text in said:
        assert text.startswith("The report could not be made. ")
        assert text.endswith(".")
        assert "/" not in text
        assert "errno" not in text.lower()


def test_a_failure_has_no_text_of_the_exception() -> None:
    try:
        raise ValueError("Heather")
    except ValueError as error:
        found = failure_of(error)
    assert found == Failure(FailureKind.RENDERING, "ValueError")
    assert "Heather" not in str(Broken(found))
