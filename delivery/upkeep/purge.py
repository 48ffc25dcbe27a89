"""Purge: remove the recipients of old messages from the log, in short transactions.

    begin     close a finished message to all work, empty its texts, and note the purge in a row
    remove    its deliveries, then its recipients, some hundreds at a time, and people who are in no other list
    end       expire its reports with their files, and delete the note

If a purge is killed, its notes stay, and the next purge starts with them. Several purges may run at once. A message with
open work is never purged.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from db.audit import entries
from db.audit.entries import Action, AuditEntry
from db.connect.database import Database
from db.reports import jobs
from db.sql.connections import WriteConnection
from db.upkeep import purge, purge_rows
from db.upkeep.purge import PurgeDistrict, PurgePlace, PurgePreview
from delivery.reports.store import StoreLocation, open_store
from domain.ids import Kind, spell

PAGE: Final = 100
"""Messages of one page."""

MOST_ROWS: Final = 500
"""Most rows that one transaction removes: while it runs, an import waits, and on SQLite all writers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeRun:
    """The parameters of a purge, and its dependencies."""

    database: Database
    reports: StoreLocation
    before: datetime
    """Purge messages that were created and sent before this instant."""
    district: str | None = None
    """The district's id in the NDJSON; None for all districts."""
    by: str
    """Who runs the purge, as the audit names them."""
    run: str
    """The id of this purge, common to all its audit entries."""
    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    page: int = PAGE
    rows: int = MOST_ROWS


@dataclass(slots=True)
class PurgeProgress:
    """The progress of a purge."""

    messages: int = 0
    resumed: int = 0
    """Messages that an earlier purge had left unfinished; not counted in `messages`."""
    recipients: int = 0
    deliveries: int = 0


Watch = Callable[[PurgeProgress], None]
"""Called with the progress after each transaction."""


async def preview_purge(work: PurgeRun) -> list[PurgePreview]:
    """Return what a purge would remove, by district; nothing is changed."""
    async with work.database.reading() as connection:
        districts = await purge.districts(connection, known_as=work.district)
        return [
            await purge.preview(connection, district, before=work.before) for district in districts
        ]


async def run_purge(work: PurgeRun, *, watch: Watch = lambda progress: None) -> PurgeProgress:
    """Run the purge and return what it removed. `watch` is called after each transaction."""
    progress = PurgeProgress()
    async with work.database.reading() as connection:
        unfinished = await purge.unfinished(connection)
        districts = await purge.districts(connection, known_as=work.district)
    for message_id in unfinished:
        await _remove(work, message_id, progress, watch)
        progress.resumed += 1
    for district in districts:
        async for place in _messages(work, district):
            if await _begin(work, district, place.id):
                await _remove(work, place.id, progress, watch)
                progress.messages += 1
                watch(progress)
    if progress.messages or progress.resumed:
        await _tidy(work)
    return progress


async def _messages(work: PurgeRun, district: PurgeDistrict) -> AsyncIterator[PurgePlace]:
    after: PurgePlace | None = None
    while True:
        async with work.database.reading() as connection:
            page = await purge.next_messages(
                connection, district, before=work.before, after=after, most=work.page
            )
        if not page:
            return
        for place in page:
            yield place
        after = page[-1]


async def _begin(work: PurgeRun, district: PurgeDistrict, message_id: int) -> bool:
    now = work.clock()
    async with _turn(work) as connection:
        if not await purge.begin(connection, message_id, before=work.before, now=now):
            return False
        subject = spell(Kind.MESSAGE, message_id)
        act = AuditEntry(now, district.id, work.by, Action.PURGE_MESSAGE, subject, None, work.run)
        await entries.write(connection, [act])
    return True


async def _remove(work: PurgeRun, message_id: int, progress: PurgeProgress, watch: Watch) -> None:
    while True:
        async with _turn(work) as connection:
            deliveries = await purge_rows.remove_deliveries(connection, message_id, most=work.rows)
            # Recipients go after their deliveries: only the rest of the batch is for them.
            room = work.rows - deliveries
            recipients = (
                await purge_rows.remove_recipients(connection, message_id, most=room) if room else 0
            )
        progress.deliveries += deliveries
        progress.recipients += recipients
        watch(progress)
        if recipients < room:
            break
    await _end(work, message_id)


async def _end(work: PurgeRun, message_id: int) -> None:
    async with work.database.reading() as connection:
        kept = await purge.kept_reports(connection, message_id)
    for report in kept:
        # Remove the file first: if the purge is killed here, its note leads the next one to this report.
        await open_store(work.reports).remove(f"{report}.")
        async with _turn(work) as connection:
            await jobs.expire(connection, report)
    async with _turn(work) as connection:
        await purge.end(connection, message_id)


async def _tidy(work: PurgeRun) -> None:
    is_first = True
    while True:
        async with _turn(work) as connection:
            more = await purge_rows.tidy(connection, is_first=is_first)
        if not more:
            break
        is_first = False
    async with work.database.reading() as connection:
        await purge_rows.write_through(connection)


@asynccontextmanager
async def _turn(work: PurgeRun) -> AsyncIterator[WriteConnection]:
    """Yield a transaction. On SQLite, pause afterwards for as long as it took: waiters for SQLite's one lock do not queue."""
    now = asyncio.get_running_loop().time
    async with work.database.writing() as connection:
        began = now()
        await purge.take_turn(connection)
        yield connection
    if not work.database.is_postgresql:
        await work.sleep(now() - began)
