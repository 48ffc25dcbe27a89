"""Progress bars on standard error; without a terminal only the last state is printed, as one line."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import BinaryIO, Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from db.migrations import backfills
from delivery.upkeep import purge
from resolvers.audit import recount
from resolvers.ingest import ingest

CHUNK: Final = 256 * 1024
"""Bytes read from a file at a time."""

note: Final = Console(stderr=True, highlight=False)
"""The console for messages to a person; the output of a command goes to standard output."""


async def chunks(file: BinaryIO, bar: Progress) -> AsyncIterator[bytes]:
    """The bytes of a file; advances the bar."""
    while chunk := file.read(CHUNK):
        bar.advance(bar.task_ids[0], len(chunk))
        yield chunk


@contextmanager
def import_bar(file: BinaryIO) -> Iterator[tuple[Progress, ingest.Watch]]:
    """A bar over the bytes of a file, and the function that updates it."""
    size = os.fstat(file.fileno()).st_size if file.seekable() else None
    began = datetime.now(UTC)
    with Progress(
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[lines]:,} lines"),
        TextColumn("{task.fields[messages]:,} messages"),
        TextColumn("{task.fields[speed]:,.0f} recipients/s"),
        TimeElapsedColumn(),
        console=note,
    ) as bar:
        task = bar.add_task("", total=size, lines=0, messages=0, speed=0.0)

        def watch(outcome: ingest.Outcome) -> None:
            seconds = max((datetime.now(UTC) - began).total_seconds(), 0.001)
            bar.update(
                task,
                lines=outcome.lines,
                messages=outcome.accepted + outcome.unchanged,
                speed=outcome.recipients / seconds,
            )

        yield bar, watch


@contextmanager
def check_bar() -> Iterator[recount.Watch]:
    """A bar over the messages of the log, and the function that updates it."""
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("messages"), TimeElapsedColumn()
    with Progress(*columns, console=note) as bar:
        task = bar.add_task("", total=None)

        def watch(finding: recount.RecountResult) -> None:
            # The log may have grown since the start.
            total = max(finding.total, finding.messages)
            bar.update(task, total=total, completed=finding.messages)

        yield watch


@contextmanager
def migration_bar() -> Iterator[backfills.Watch]:
    """A bar over the rows of each backfill that needs more than one piece."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with ExitStack() as stack:
        bar = Progress(*columns, console=note)
        tasks: dict[str, TaskID] = {}

        def watch(progress: backfills.BackfillProgress) -> None:
            if progress.name not in tasks:
                if progress.is_finished:
                    return
                if not tasks:
                    stack.enter_context(bar)
                tasks[progress.name] = bar.add_task(progress.name)
            # The table may have grown, and ids have gaps.
            total = max(progress.last, progress.done.id)
            done = total if progress.is_finished else progress.done.id
            bar.update(tasks[progress.name], total=total, completed=done)

        yield watch


@contextmanager
def purge_bar(messages: int) -> Iterator[purge.Watch]:
    """A bar over the messages of a purge, and the function that updates it."""
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("messages, {task.fields[recipients]:,} recipients"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=note) as bar:
        task = bar.add_task("", total=messages, recipients=0)

        def watch(progress: purge.PurgeProgress) -> None:
            # More messages may be old enough now than at the start.
            total = max(messages, progress.messages)
            bar.update(
                task, total=total, completed=progress.messages, recipients=progress.recipients
            )

        yield watch
