"""The audit: who looked or acted. It only grows; both engines refuse anything else."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import bindparam, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables.operations import AUDIT


class Action(StrEnum):
    """What is written down."""

    OPEN_RECIPIENTS = "OPEN_RECIPIENTS"
    OPEN_PERSON = "OPEN_PERSON"
    INGEST = "INGEST"
    CANCEL_MESSAGE = "CANCEL_MESSAGE"
    REFRESH_MESSAGE = "REFRESH_MESSAGE"
    RESEND_FAILED = "RESEND_FAILED"
    CREATE_REPORT = "CREATE_REPORT"
    DOWNLOAD_REPORT = "DOWNLOAD_REPORT"
    OPEN_AUDIT = "OPEN_AUDIT"
    PURGE_MESSAGE = "PURGE_MESSAGE"
    OTHER = "OTHER"
    """Never written: stands for what a later release wrote and this one does not know."""


class Entry(NamedTuple):
    """One look or act: when (UTC), by whom, what, from where, in which request."""

    at: datetime
    district_id: int
    viewer_id: str
    action: Action
    subject: str
    origin: str | None
    request_id: str | None
    messages: int | None = None
    """How many came in, of an upload."""
    viewer_name: str | None = None
    """As in the sign-in; None for an operator at the machine."""


ADDED: Final = insert(AUDIT).values({name: bindparam(name) for name in Entry._fields}).inline()
"""Adds an entry: it is asked with one as a mapping."""


async def write(connection: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Add entries, in their order."""
    if entries:
        await connection.execute(ADDED, [entry._asdict() for entry in entries])
