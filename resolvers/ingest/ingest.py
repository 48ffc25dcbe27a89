"""Takes messages into the log from a stream of lines, in constant memory, whole messages only."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime

from db.connect.database import Database
from db.ingest import staging_tables
from domain.viewer import Right, Viewer
from resolvers.ingest.line_splitter import blocks
from resolvers.ingest.outcome import Outcome, Problem, Watch
from resolvers.ingest.upload import Upload, Uploader
from resolvers.request.process import Announce, announce_nothing

__all__ = ["Outcome", "Problem", "Uploader", "Watch", "ingest"]


async def ingest(
    database: Database,
    chunks: AsyncIterator[bytes],
    *,
    viewer: Viewer | None,
    clock: Callable[[], datetime],
    announce: Announce = announce_nothing,
    watch: Watch = lambda outcome: None,
    by: Uploader | None = None,
) -> Outcome:
    """Take in all messages of a stream; `chunks` are its bytes, cut anywhere.

    `viewer`: None for the operator at the machine, who may write for every district.
    `announce`: called in each transaction, to announce work to runners.
    `watch`: called with the outcome after each block.
    `by`: the uploader, for the audit; the viewer by default. Without both, no audit entry is written.

    An invalid line does not raise: it is reported in the outcome, and the other messages are taken in. Raises `Forbidden` if
    the viewer lacks INGEST_MESSAGES, before anything is read. Any other error, of the stream or the database, ends the upload:
    messages that were moved into the log stay, all others leave no trace.
    """
    if viewer is not None:
        viewer.require(Right.INGEST_MESSAGES)
    async with database.reading() as connection:
        try:
            async with connection.begin():
                await staging_tables.create(connection)
            if by is None and viewer is not None:
                by = Uploader(viewer.id, name=viewer.name)
            upload = Upload(
                database, connection, viewer=viewer, clock=clock, announce=announce, by=by
            )
            async for block in blocks(chunks):
                await upload.take(block)
                watch(upload.outcome)
            await upload.finish()
            watch(upload.outcome)
            return upload.outcome
        finally:
            # The staging tables are temporary: closing the connection removes them.
            await connection.invalidate()
