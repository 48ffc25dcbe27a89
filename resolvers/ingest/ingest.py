"""Takes messages into the log from a stream of lines, at flat memory, whole messages only.

What is done line by line is in `resolvers.ingest.upload`.
"""

from collections.abc import AsyncIterator, Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from db.ingest import staging_tables
from domain.viewer import Right, Viewer
from resolvers.ingest.line_splitter import blocks
from resolvers.ingest.outcome import Outcome, Problem, Watch
from resolvers.ingest.upload import Upload, Uploader
from resolvers.request.process import Announce, to_nobody

__all__ = ["Outcome", "Problem", "Uploader", "Watch", "ingest"]


async def ingest(
    engine: AsyncEngine,
    chunks: AsyncIterator[bytes],
    *,
    viewer: Viewer | None,
    clock: Callable[[], datetime],
    announce: Announce = to_nobody,
    watch: Watch = lambda outcome: None,
    by: Uploader | None = None,
) -> Outcome:
    """Take in all messages of a stream; `chunks` are its bytes, cut anywhere.

    `viewer` None is the operator at the machine, who may write for every district. `announce` is told in each transaction
    with which messages go in. `watch` sees the outcome grow, a call a block. `by` is who brings the messages in, for the
    audit: by default the viewer; of an upload without either nothing is written down. What is wrong with a line never raises: it is in the outcome, and the other messages are in the log.

    Raises `Forbidden` for a viewer without the right INGEST_MESSAGES, before anything is read. What else is raised, by the
    stream or the database, ends the upload: the messages that went in stay, all others leave no trace.
    """
    if viewer is not None:
        viewer.require(Right.INGEST_MESSAGES)
    async with engine.connect() as connection:
        try:
            async with connection.begin():
                await staging_tables.create(connection)
            if by is None and viewer is not None:
                by = Uploader(viewer.id, name=viewer.name)
            upload = Upload(connection, viewer=viewer, clock=clock, announce=announce, by=by)
            async for block in blocks(chunks):
                await upload.take(block)
                watch(upload.outcome)
            await upload.finish()
            watch(upload.outcome)
            return upload.outcome
        finally:
            # The stage belongs to the connection: closing it leaves nothing behind, wherever an upload broke off.
            await connection.invalidate()
