"""Makes reports: claims one that waits, has it rendered in a process of its own, and writes down how it went.

    claim    whoever has the token writes how it goes, until the lease ends on the database's clock
    render   beside this process, so that nothing here becomes slower; a file is in the store whole or not at all
    end      ready; or tried again after a pause; or failed, in words for a person

A maker that dies leaves a claim behind, whose lease ends: the report is made again, under another key, so that a file never
changes. When to look at a report at all is a runner's business; how one is read and written, `delivery.reports.process`'s.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, NamedTuple, Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import reading, writing
from db.connect.unavailable import AWAY, cause, retry_once
from db.reports import jobs
from db.reports.jobs import Made, ReportJob
from delivery.reports.channel import where
from delivery.reports.child import Broken, in_own_process
from delivery.reports.failures import FOR_GOOD, OF_STORE, Failure, FailureKind, failure_of, words
from delivery.reports.process import Order
from delivery.reports.source import expected_rows
from delivery.reports.store import Place, open_store
from domain.ids import Kind, spell
from domain.report import MOST_SMALL

MOST_ATTEMPTS: Final = 3
PAUSE: Final = timedelta(seconds=10)
"""After the first failure; twice that after the second."""

TOGETHER: Final = 100
"""Reports that are found at once, to be made or to expire; the next look finds the others."""

_log = structlog.get_logger(__name__)


class Render(Protocol):
    """Carries an order out. `told` gets the percentage now and then. Raises `Broken`, or what it met (`failure_of`)."""

    async def __call__(self, order: Order, *, told: Callable[[int], None]) -> Made: ...


class Lost(Exception):
    """Somebody else has the claim, or the report is no longer wanted."""


class Stopped(Exception):
    """Whoever makes it has to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """What all work on reports has in common: the database, the store, the clock, how to render, and the limits."""

    engine: AsyncEngine
    place: Place
    clock: Callable[[], datetime]
    render: Render = in_own_process
    lease: timedelta = timedelta(seconds=60)
    step: timedelta = timedelta(seconds=1)
    """Between two looks at how far a report is; the lease is renewed at each third of it at the latest."""
    limit: timedelta = timedelta(minutes=30)
    """The longest that one report is waited for."""


class PrintJob(NamedTuple):
    """A hint: this report may be to be made."""

    report_id: int


async def find_print_jobs(press: Press) -> list[PrintJob]:
    """The reports that may be to be made now, the oldest first: from the rows alone, whatever hint got lost."""
    async with reading(press.engine) as connection:
        ids = await jobs.waiting(connection, now=press.clock(), most=TOGETHER)
    return [PrintJob(id) for id in ids]


async def print_report(press: Press, job: PrintJob, *, until: asyncio.Event) -> bool:
    """Make a report if its row says that it is to be made, and whether it became ready. Raises nothing that it met.

    Doing it twice does nothing the second time. Once the event is set it is broken off, and waits as if it had not been begun.
    """
    token = secrets.token_hex(16)
    async with writing(press.engine) as connection:
        order = await jobs.claim(
            connection,
            job.report_id,
            token=token,
            lease=press.lease,
            most_attempts=MOST_ATTEMPTS,
            now=press.clock(),
        )
        if order is None:
            if await jobs.give_up(
                connection,
                job.report_id,
                most_attempts=MOST_ATTEMPTS,
                failure=words(FailureKind.WORKER_STOPPED),
            ):
                report = spell(Kind.REPORT, job.report_id)
                _log.error("a report was given up: its makers died", report_id=report)
            return False
        is_large = await expected_rows(connection, order) > MOST_SMALL
    return await _make(press, order, is_large=is_large, token=token, until=until)


async def _make(
    press: Press, job: ReportJob, *, is_large: bool, token: str, until: asyncio.Event
) -> bool:
    """Make a claimed report, and whether it became ready."""
    key = f"{job.id}.{token}.{job.format.lower()}"
    url = press.engine.url.render_as_string(hide_password=False)
    store = open_store(press.place)
    try:
        if job.attempts > 1:
            await store.remove(f"{job.id}.")  # what a maker that died had begun to store
        order = Order(url, press.place, job, key, is_large)
        made = await _render(press, order, token=token, until=until)
        # A report that took minutes is not made again for a transaction that the database ended.
        await retry_once(partial(_finish, press, job, made, token=token))
    except Stopped:
        async with writing(press.engine) as connection:
            await jobs.give_back(connection, job.id, token=token)
        return False
    except Lost:
        await store.remove(key)
        return False
    except Exception as error:
        await _put_off(press, job, error, token=token)
        return False
    _log.info("a report is ready", report_id=spell(Kind.REPORT, job.id), rows=made.row_count)
    return True


async def _finish(press: Press, job: ReportJob, made: Made, *, token: str) -> None:
    """Say that a report is ready. Raises `Lost`."""
    async with writing(press.engine) as connection:
        if await jobs.finish(connection, job.id, made, token=token):
            return
        if not await jobs.is_finished(connection, job.id, made):
            raise Lost


async def _render(press: Press, order: Order, *, token: str, until: asyncio.Event) -> Made:
    """Render, and meanwhile hold the claim and say how far it is. Raises `Lost`, `Stopped`, or what the rendering met."""
    now = asyncio.get_running_loop().time
    percent = 0

    def told(so_far: int) -> None:
        nonlocal percent
        percent = so_far

    work = asyncio.ensure_future(press.render(order, told=told))
    stop = asyncio.ensure_future(until.wait())
    ended = partial(
        asyncio.wait,
        {work, stop},
        timeout=press.step.total_seconds(),
        return_when=asyncio.FIRST_COMPLETED,
    )
    limit = asyncio.timeout(press.limit.total_seconds())
    try:
        async with limit:
            written, at = 0, now()
            while not (await ended())[0]:
                if percent == written and now() - at < press.lease.total_seconds() / 3:
                    continue
                if await _renew(press, order, token=token, percent=percent):
                    written, at = percent, now()
        if not work.done():
            raise Stopped
        return work.result()
    except TimeoutError as error:
        if not limit.expired():
            raise
        seconds = f"{press.limit.total_seconds():g}"
        raise Broken(Failure(FailureKind.TIMED_OUT, f"not ready after {seconds} s")) from error
    finally:
        for task in (work, stop):
            task.cancel()
        await asyncio.gather(work, stop, return_exceptions=True)


async def _renew(press: Press, order: Order, *, token: str, percent: int) -> bool:
    """Hold the claim and say how far it is; False where the database is away: the next step tries again. Raises `Lost`."""
    try:
        async with writing(press.engine) as connection:
            if not await jobs.renew(
                connection, order.job.id, token=token, lease=press.lease, percent=percent
            ):
                raise Lost
    except AWAY as error:
        _log.warning(
            "the claim of a report could not be renewed",
            report_id=spell(Kind.REPORT, order.job.id),
            reason=cause(error),
        )
        return False
    return True


async def _put_off(press: Press, job: ReportJob, error: Exception, *, token: str) -> None:
    """Have a report that failed tried again after a pause, or say to its viewer why it failed."""
    failure = (
        error.failure if isinstance(error, Broken) else failure_of(error, where=tuple(where(error)))
    )
    is_over = job.attempts >= MOST_ATTEMPTS or failure.kind in FOR_GOOD
    pause = PAUSE * 2 ** (job.attempts - 1)
    # Of an error that is not ours the log gets the class alone: its text may hold a name or an address.
    about: dict[str, object] = {
        "report_id": spell(Kind.REPORT, job.id),
        "attempt": job.attempts,
        "reason": failure.kind,
        "cause": failure.error,
        "errno": failure.errno,
        "folder": failure.folder,
        "store": press.place.address if failure.kind in OF_STORE else None,
        "where": list(failure.where),
        "retry_in_s": None if is_over else pause.total_seconds(),
    }
    about = {name: value for name, value in about.items() if value not in (None, [])}
    if failure.kind in FOR_GOOD:
        _log.info("a report could not be made", **about)
    elif is_over:
        _log.error("a report could not be made", **about)
    else:
        _log.warning("a report could not be made and is tried again", **about)
    async with writing(press.engine) as connection:
        if is_over:
            await jobs.fail(connection, job.id, token=token, failure=failure.message)
        else:
            await jobs.put_off(connection, job.id, token=token, pause=pause)


async def expire(press: Press) -> int:
    """Remove the files of reports whose time is over, and how many reports that were."""
    async with reading(press.engine) as connection:
        over = await jobs.kept_long_enough(connection, now=press.clock(), most=TOGETHER)
    store = open_store(press.place)
    for id in over:
        # The file first: a report that says EXPIRED is never looked at again.
        await store.remove(f"{id}.")
        async with writing(press.engine) as connection:
            await jobs.expire(connection, id)
    return len(over)
