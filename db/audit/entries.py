"""Writes the audit: who read or changed what. It is append-only, which triggers of both engines enforce."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import bindparam, insert

from db.sql.connections import WriteConnection
from db.tables.operations import AUDIT


class Action(StrEnum):
    """An audited action."""

    OPEN_RECIPIENTS = "OPEN_RECIPIENTS"
    OPEN_PERSON = "OPEN_PERSON"
    SEARCH_PEOPLE = "SEARCH_PEOPLE"
    OPEN_INBOX = "OPEN_INBOX"
    OPEN_ADDRESS = "OPEN_ADDRESS"
    OPEN_CONTACT_PROBLEMS = "OPEN_CONTACT_PROBLEMS"
    RESOLVE_CONTACT_PROBLEM = "RESOLVE_CONTACT_PROBLEM"
    INGEST = "INGEST"
    CANCEL_MESSAGE = "CANCEL_MESSAGE"
    REFRESH_MESSAGE = "REFRESH_MESSAGE"
    RESEND_FAILED = "RESEND_FAILED"
    CREATE_REPORT = "CREATE_REPORT"
    DOWNLOAD_REPORT = "DOWNLOAD_REPORT"
    OPEN_AUDIT = "OPEN_AUDIT"
    PURGE_MESSAGE = "PURGE_MESSAGE"
    OTHER = "OTHER"
    """Never written: stands for an action of a later release that this one does not know."""


class AuditEntry(NamedTuple):
    """One audited action: when (UTC), by whom, what, from which IP address, in which request."""

    at: datetime
    district_id: int
    viewer_id: str
    action: Action
    subject: str
    origin: str | None
    request_id: str | None
    messages: int | None = None
    """The number of ingested messages, for an upload."""
    viewer_name: str | None = None
    """The name from the sign-in; None for an operator at the machine."""


ADDED: Final = insert(AUDIT).values({name: bindparam(name) for name in AuditEntry._fields}).inline()
"""Inserts an entry; its parameters are the fields of `AuditEntry`."""


async def write(connection: WriteConnection, entries: Sequence[AuditEntry]) -> None:
    """Insert entries in order."""
    if entries:
        await connection.execute(ADDED, [entry._asdict() for entry in entries])
