"""Takes the recipients of old messages out of the log, in transactions of which each is over in a moment.

    begin     a message that has ended is closed to all work, says nothing any more, and is noted as under way
    remove    its deliveries, then its recipients, some hundreds at a time; with them whoever stands in no other list
    end       its reports expire with their files, and the note goes

Whoever is killed in between leaves notes, and the next purge begins with them. Several may purge at once. Nothing here
touches a message of which anything is still to be done.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from db.audit import entries
from db.audit.entries import Action, Entry
from db.connect.engine import reading, writing
from db.reports import jobs
from db.upkeep import purge, purge_rows
from db.upkeep.purge import District, Found, Place
from delivery.reports.store import Place as ReportPlace
from delivery.reports.store import open_store
from domain.ids import Kind, spell

PAGE: Final = 100
"""Messages that are looked up at a time."""

MOST_ROWS: Final = 500
"""Rows that one transaction removes: while it runs, an import waits, and on SQLite whoever writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """What a purge works with, and what it is to do."""

    engine: AsyncEngine
    reports: ReportPlace
    before: datetime
    """Messages that were created and sent before this instant."""
    district: str | None = None
    """By the id that others know; None: every district."""
    by: str
    """Who purges, as the audit names them."""
    run: str
    """What ties the entries of one purge together in the audit."""
    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    page: int = PAGE
    rows: int = MOST_ROWS


@dataclass(slots=True)
class Progress:
    """How far a purge has come."""

    messages: int = 0
    resumed: int = 0
    """Messages that an earlier purge had left unfinished; they are not among the others."""
    recipients: int = 0
    deliveries: int = 0


Watch = Callable[[Progress], None]
"""Is shown the progress while it grows."""


async def outlook(work: Purge) -> list[Found]:
    """What a purge would remove, by district; nothing is changed."""
    async with reading(work.engine) as connection:
        chosen = await purge.districts(connection, known_as=work.district)
        return [await purge.found(connection, district, before=work.before) for district in chosen]


async def carry_out(work: Purge, *, watch: Watch = lambda progress: None) -> Progress:
    """Purge, and what that removed; `watch` sees the progress grow, a call a transaction."""
    progress = Progress()
    async with reading(work.engine) as connection:
        left = await purge.begun(connection)
        chosen = await purge.districts(connection, known_as=work.district)
    for message_id in left:
        await _remove(work, message_id, progress, watch)
        progress.resumed += 1
    for district in chosen:
        async for place in _messages(work, district):
            if await _begin(work, district, place.id):
                await _remove(work, place.id, progress, watch)
                progress.messages += 1
                watch(progress)
    if progress.messages or progress.resumed:
        await _tidy(work)
    return progress


async def _messages(work: Purge, district: District) -> AsyncIterator[Place]:
    after: Place | None = None
    while True:
        async with reading(work.engine) as connection:
            page = await purge.next_messages(
                connection, district, before=work.before, after=after, most=work.page
            )
        if not page:
            return
        for place in page:
            yield place
        after = page[-1]


async def _begin(work: Purge, district: District, message_id: int) -> bool:
    now = work.clock()
    async with _turn(work) as connection:
        if not await purge.begin(connection, message_id, before=work.before, now=now):
            return False
        subject = spell(Kind.MESSAGE, message_id)
        act = Entry(now, district.id, work.by, Action.PURGE_MESSAGE, subject, None, work.run)
        await entries.write(connection, [act])
    return True


async def _remove(work: Purge, message_id: int, progress: Progress, watch: Watch) -> None:
    while True:
        async with _turn(work) as connection:
            deliveries = await purge_rows.remove_deliveries(connection, message_id, most=work.rows)
            room = (
                work.rows - deliveries
            )  # only where none is left: recipients go after their deliveries
            recipients = (
                await purge_rows.remove_recipients(connection, message_id, most=room) if room else 0
            )
        progress.deliveries += deliveries
        progress.recipients += recipients
        watch(progress)
        if recipients < room:
            break
    await _end(work, message_id)


async def _end(work: Purge, message_id: int) -> None:
    async with reading(work.engine) as connection:
        kept = await purge.kept_reports(connection, message_id)
    for report in kept:
        # The file first: the note of a purge that is killed here leads to the report again.
        await open_store(work.reports).remove(f"{report}.")
        async with _turn(work) as connection:
            await jobs.expire(connection, report)
    async with _turn(work) as connection:
        await purge.end(connection, message_id)


async def _tidy(work: Purge) -> None:
    is_first = True
    while True:
        async with _turn(work) as connection:
            more = await purge_rows.tidy(connection, is_first=is_first)
        if not more:
            break
        is_first = False
    async with reading(work.engine) as connection:
        await purge_rows.write_through(connection)


@asynccontextmanager
async def _turn(work: Purge) -> AsyncIterator[AsyncConnection]:
    """A transaction. On SQLite the next one waits as long as this one took: who waits for its one lock does not queue."""
    now = asyncio.get_running_loop().time
    async with writing(work.engine) as connection:
        began = now()
        await purge.take_turn(connection)
        yield connection
    if work.engine.dialect.name == "sqlite":
        await work.sleep(now() - began)
