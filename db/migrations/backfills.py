"""Backfills: changes of rows after a migration, in small transactions, so that an interrupted one resumes.

A migration changes tables in one transaction. Changes of many rows are a backfill: `run` does one piece per transaction,
and stores its progress in the table `backfill`. Each backfill has its own module.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Table, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from db.connect.database import Database
from db.ingest import move_in
from db.migrations import (
    address_states,
    counted_figures,
    failed_messages,
    merged_addresses,
    message_words,
    refolded_texts,
)
from db.migrations.places import START, BackfillPlace
from db.sql.clock import clock
from db.sql.connections import ReadConnection, WriteConnection
from db.tables.log import ADDRESS, CONTENT, MESSAGE, PERSON_NAME, RECIPIENT, SCHOOL
from db.tables.operations import BACKFILL

LONGEST_WAIT: Final = "500ms"
"""The lock timeout of a piece on PostgreSQL. It is shorter than `deadlock_timeout`, after which PostgreSQL could end the
transaction of a worker instead."""

BEFORE_TRYING_AGAIN: Final = 0.5
"""Seconds before a retry."""

_HELD_UP: Final = frozenset({"55P03", "40P01", "40001"})
"""PostgreSQL's codes for a lock that was not available, a deadlock, and a serialization failure."""


class Backfill(NamedTuple):
    """A change of the rows of `table` in the order of its key, which starts with an id."""

    name: str
    table: Table
    do_piece: Callable[[WriteConnection, BackfillPlace], Awaitable[BackfillPlace | None]]
    """Does the next piece after a place, and returns the place up to which all is done; None if no rows are left.

    It may return the same place, if it did only a part of one row. It runs under the lock of the ingest.
    """
    is_needed: bool = True
    """Whether servers and workers wait with their start until it is finished."""


class BackfillProgress(NamedTuple):
    """The progress of a backfill."""

    name: str
    done: BackfillPlace
    last: int
    """The greatest id at its start."""
    is_finished: bool
    is_needed: bool = True


BACKFILLS: Final = (
    Backfill("addresses", ADDRESS, merged_addresses.do_piece),
    Backfill("keys of schools", SCHOOL, refolded_texts.do_schools, is_needed=False),
    Backfill("keys of messages", MESSAGE, refolded_texts.do_messages, is_needed=False),
    Backfill("keys of recipients", RECIPIENT, refolded_texts.do_recipients, is_needed=False),
    Backfill("keys of names", PERSON_NAME, refolded_texts.do_names, is_needed=False),
    Backfill("failures of messages", MESSAGE, failed_messages.do_messages, is_needed=False),
    Backfill("failures of addresses", ADDRESS, address_states.do_piece, is_needed=False),
    Backfill("words of messages", CONTENT, message_words.do_contents, is_needed=False),
    Backfill("figures", MESSAGE, counted_figures.do_piece),
)
"""In the order in which they run."""

Watch = Callable[[BackfillProgress], None]
"""Receives the progress after each piece."""


async def run(
    database: Database,
    *,
    watch: Watch = lambda progress: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Finish all backfills. Servers, workers and imports of this release may run at the same time."""
    for backfill in BACKFILLS:
        while True:
            try:
                progress = await _do_piece(database, backfill)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _HELD_UP:
                    raise
                await sleep(BEFORE_TRYING_AGAIN)
                continue
            if progress is None:
                break
            watch(progress)


async def unfinished(database: Database) -> Sequence[BackfillProgress]:
    """Return the progress of the backfills that are not finished."""
    async with database.reading() as connection:
        stored = {backfill.name: await _progress(connection, backfill) for backfill in BACKFILLS}
    return [
        progress
        for backfill in BACKFILLS
        if not (progress := stored[backfill.name] or _not_begun(backfill)).is_finished
    ]


async def _do_piece(database: Database, backfill: Backfill) -> BackfillProgress | None:
    """Do one piece and return the progress; None if it was finished already."""
    async with database.writing() as connection:
        await move_in.take_lock(connection)
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"SET LOCAL lock_timeout = '{LONGEST_WAIT}'"))
        progress = await _progress(connection, backfill) or await _begin(connection, backfill)
        if progress.is_finished:
            return None
        up_to = await backfill.do_piece(connection, progress.done)
        now: datetime | None = await connection.scalar(select(clock(connection)))
        after = progress._replace(
            done=progress.done if up_to is None else up_to, is_finished=up_to is None
        )
        await connection.execute(
            update(BACKFILL)
            .where(BACKFILL.c.name == backfill.name)
            .values(
                done_up_to=after.done.id,
                done_within=after.done.within,
                finished_at=now if up_to is None else None,
            )
        )
    return after


async def _begin(connection: WriteConnection, backfill: Backfill) -> BackfillProgress:
    id_, *_ = backfill.table.primary_key
    last: int = await connection.scalar(select(func.max(id_))) or 0
    await connection.execute(
        insert(BACKFILL).values(
            name=backfill.name, done_up_to=0, done_within=0, last=last, finished_at=None
        )
    )
    return _not_begun(backfill)._replace(last=last)


def _not_begun(backfill: Backfill) -> BackfillProgress:
    return BackfillProgress(
        backfill.name, START, 0, is_finished=False, is_needed=backfill.is_needed
    )


async def _progress(connection: ReadConnection, backfill: Backfill) -> BackfillProgress | None:
    row = (
        await connection.execute(select(BACKFILL).where(BACKFILL.c.name == backfill.name))
    ).first()
    if row is None:
        return None
    done = BackfillPlace(row.done_up_to, row.done_within)
    return BackfillProgress(
        backfill.name,
        done,
        row.last,
        is_finished=row.finished_at is not None,
        is_needed=backfill.is_needed,
    )
