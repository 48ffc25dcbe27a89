"""Make reports: claim a waiting one, render it in a child process, and write the result.

    claim    the holder of the token writes the progress, until the lease ends by the database's clock
    render   in a child process, so that this process stays responsive; the store has a whole file or none
    end      ready; or retried after a pause; or failed, with a message for the viewer

If a process dies, the lease of its claim ends, and the report is made again under another key, so that a file never changes.
A runner decides when a report is made; `delivery.reports.process` makes it.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple, Protocol

import structlog

from db.connect.database import Database
from db.connect.unavailable import AWAY, cause, retry_once
from db.reports import jobs
from db.reports.jobs import MadeReport, ReportJob
from delivery.reports.channel import where
from delivery.reports.child import Broken, render_in_process
from delivery.reports.failures import (
    FOR_GOOD,
    OF_STORE,
    Failure,
    FailureKind,
    failure_of,
    viewer_message,
)
from delivery.reports.process import RenderOrder
from delivery.reports.sizes import expected_rows
from delivery.reports.store import StoreLocation, open_store
from domain.ids import Kind, spell
from domain.report import MOST_SMALL

MOST_ATTEMPTS: Final = 3
PAUSE: Final = timedelta(seconds=10)
"""The pause after the first failure; twice that after the second."""

TOGETHER: Final = 100
"""Most reports to make or to expire in one round; the next round finds the others."""

_log = structlog.get_logger(__name__)


class Render(Protocol):
    """Carries out an order. `report_progress` gets the percentage. Raises `Broken`, or any error that `failure_of` reads."""

    async def __call__(
        self, order: RenderOrder, *, report_progress: Callable[[int], None]
    ) -> MadeReport: ...


class Lost(Exception):
    """Another process has the claim, or the report was removed."""


class RenderingStopped(Exception):
    """The runner stops before the report is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRuntime:
    """What all work on reports needs: the database, the store, the clock, the renderer, and the limits."""

    database: Database
    place: StoreLocation
    clock: Callable[[], datetime]
    render: Render = render_in_process
    lease: timedelta = timedelta(seconds=60)
    step: timedelta = timedelta(seconds=1)
    """The time between two checks of the progress. The lease is renewed at least every third of its time."""
    limit: timedelta = timedelta(minutes=30)
    """The timeout of one report."""


class RenderJob(NamedTuple):
    """A hint: this report may be waiting."""

    report_id: int


async def find_render_jobs(report_runtime: ReportRuntime) -> list[RenderJob]:
    """Return the reports to make now, the oldest first: from the rows alone, so a lost hint does no harm."""
    async with report_runtime.database.reading() as connection:
        ids = await jobs.waiting(connection, now=report_runtime.clock(), most=TOGETHER)
    return [RenderJob(id) for id in ids]


async def make_report(
    report_runtime: ReportRuntime, job: RenderJob, *, until: asyncio.Event
) -> bool:
    """Make a report if its row is waiting. Return whether it became ready. Idempotent.

    A failure is written to the row and not raised. Once the event is set, the work stops, and the report waits again as if it
    had not been started.
    """
    token = secrets.token_hex(16)
    async with report_runtime.database.writing() as connection:
        order = await jobs.claim(
            connection,
            job.report_id,
            token=token,
            lease=report_runtime.lease,
            most_attempts=MOST_ATTEMPTS,
            now=report_runtime.clock(),
        )
        if order is None:
            if await jobs.give_up(
                connection,
                job.report_id,
                most_attempts=MOST_ATTEMPTS,
                failure=viewer_message(FailureKind.WORKER_STOPPED),
            ):
                report = spell(Kind.REPORT, job.report_id)
                _log.error(
                    "the report was given up: each process that made it died", report_id=report
                )
            return False
    return await _make(report_runtime, order, token=token, until=until)


async def _make(
    report_runtime: ReportRuntime,
    job: ReportJob,
    *,
    token: str,
    until: asyncio.Event,
) -> bool:
    """Make a claimed report. Return whether it became ready."""
    key = f"{job.id}.{token}.{job.format.lower()}"
    url = report_runtime.database.engine.url.render_as_string(hide_password=False)
    store = open_store(report_runtime.place)
    try:
        if job.attempts > 1:
            await store.remove(f"{job.id}.")  # files of an earlier attempt that died
        async with report_runtime.database.reading() as connection:
            rows = await expected_rows(connection, job, now=report_runtime.clock())
        order = RenderOrder(url, report_runtime.place, job, key, rows > MOST_SMALL)
        made = await _render(report_runtime, order, token=token, until=until)
        # Retry a transaction that the database aborts: making the report again could take minutes.
        await retry_once(partial(_finish, report_runtime, job, made, token=token))
    except RenderingStopped:
        async with report_runtime.database.writing() as connection:
            await jobs.give_back(connection, job.id, token=token)
        return False
    except Lost:
        await store.remove(key)
        return False
    except Exception as error:
        await _put_off(report_runtime, job, error, token=token)
        return False
    _log.info("the report is ready", report_id=spell(Kind.REPORT, job.id), rows=made.row_count)
    return True


async def _finish(
    report_runtime: ReportRuntime, job: ReportJob, made: MadeReport, *, token: str
) -> None:
    """Write that a report is ready. Raises `Lost`."""
    async with report_runtime.database.writing() as connection:
        if await jobs.finish(connection, job.id, made, token=token):
            return
        if not await jobs.is_finished(connection, job.id, made):
            raise Lost


async def _render(
    report_runtime: ReportRuntime, order: RenderOrder, *, token: str, until: asyncio.Event
) -> MadeReport:
    """Render, and meanwhile renew the claim and write the progress.

    Raises `Lost`, `RenderingStopped`, or the error of `press.render`.
    """
    now = asyncio.get_running_loop().time
    percent = 0

    def report_progress(current: int) -> None:
        nonlocal percent
        percent = current

    work = asyncio.ensure_future(report_runtime.render(order, report_progress=report_progress))
    stop = asyncio.ensure_future(until.wait())
    wait_step = partial(
        asyncio.wait,
        {work, stop},
        timeout=report_runtime.step.total_seconds(),
        return_when=asyncio.FIRST_COMPLETED,
    )
    limit = asyncio.timeout(report_runtime.limit.total_seconds())
    try:
        async with limit:
            written, at = 0, now()
            while not (await wait_step())[0]:
                if percent == written and now() - at < report_runtime.lease.total_seconds() / 3:
                    continue
                if await _renew(report_runtime, order, token=token, percent=percent):
                    written, at = percent, now()
        if not work.done():
            raise RenderingStopped
        return work.result()
    except TimeoutError as error:
        if not limit.expired():
            raise
        seconds = f"{report_runtime.limit.total_seconds():g}"
        raise Broken(Failure(FailureKind.TIMED_OUT, f"not ready after {seconds} s")) from error
    finally:
        for task in (work, stop):
            task.cancel()
        await asyncio.gather(work, stop, return_exceptions=True)


async def _renew(
    report_runtime: ReportRuntime, order: RenderOrder, *, token: str, percent: int
) -> bool:
    """Renew the claim and write the progress. Return False if the database is unavailable. Raises `Lost`."""
    try:
        async with report_runtime.database.writing() as connection:
            if not await jobs.renew(
                connection, order.job.id, token=token, lease=report_runtime.lease, percent=percent
            ):
                raise Lost
    except AWAY as error:
        _log.warning(
            "the claim of a report could not be renewed: the database is unavailable",
            report_id=spell(Kind.REPORT, order.job.id),
            reason=cause(error),
        )
        return False
    return True


async def _put_off(
    report_runtime: ReportRuntime, job: ReportJob, error: Exception, *, token: str
) -> None:
    """Schedule a failed report's next attempt, or write its failure for the viewer."""
    failure = (
        error.failure if isinstance(error, Broken) else failure_of(error, where=tuple(where(error)))
    )
    is_over = job.attempts >= MOST_ATTEMPTS or failure.kind in FOR_GOOD
    pause = PAUSE * 2 ** (job.attempts - 1)
    # The log has only the class of an error that is not ours: its text may hold a name or an address.
    about: dict[str, object] = {
        "report_id": spell(Kind.REPORT, job.id),
        "attempt": job.attempts,
        "reason": failure.kind,
        "cause": failure.error,
        "errno": failure.errno,
        "folder": failure.folder,
        "store": report_runtime.place.address if failure.kind in OF_STORE else None,
        "where": list(failure.where),
        "retry_in_s": None if is_over else pause.total_seconds(),
    }
    about = {name: value for name, value in about.items() if value not in (None, [])}
    if failure.kind in FOR_GOOD:
        _log.info("the report failed", **about)
    elif is_over:
        _log.error("the report failed", **about)
    else:
        _log.warning("the report failed and is retried", **about)
    async with report_runtime.database.writing() as connection:
        if is_over:
            await jobs.fail(connection, job.id, token=token, failure=failure.message)
        else:
            await jobs.put_off(connection, job.id, token=token, pause=pause)


async def expire(report_runtime: ReportRuntime) -> int:
    """Remove the files of expired reports. Return how many reports."""
    async with report_runtime.database.reading() as connection:
        over = await jobs.kept_long_enough(connection, now=report_runtime.clock(), most=TOGETHER)
    store = open_store(report_runtime.place)
    for id in over:
        # Remove the file first: an EXPIRED report is never visited again.
        await store.remove(f"{id}.")
        async with report_runtime.database.writing() as connection:
            await jobs.expire(connection, id)
    return len(over)
