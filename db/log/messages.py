"""Messages as records, their contents and cancellations.

`db.search.log_page` reads pages of the log, `db.search.search` finds messages, `db.search.facets` counts them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, select

from db.connect.single_statement import Source, rows_of
from db.log.visibility import Visibility, visibility_parameters, visible_by_parameters
from db.sql.index_hints import BY_ROWID
from db.sql.key_lists import any_of_parameter
from db.sql.rows import RecordColumns
from db.tables.log import CANCELLATION, CONTENT, MESSAGE
from domain.message import BodyFormat, Criterion
from domain.status import DeliveryMode, MessageStatus


class MessageRecord(NamedTuple):
    """A message, without its body."""

    id: int
    external_id: str
    district_id: int
    school_id: int | None
    status: MessageStatus
    type_code: str
    type_label: str
    subject: str
    sender_id: str
    sender_name: str
    created_at: datetime
    scheduled_at: datetime
    schedule_id: str | None
    delivery_modes: Sequence[DeliveryMode]
    is_recorded: bool
    people: int
    people_without_device: int
    people_contacted: int
    revision: int
    purged_at: datetime | None = None
    """When the removal of its recipients and content began."""
    category: str | None = None
    """The kind of notice within its type."""


class ContentRecord(NamedTuple):
    """The texts of a message, and the criteria by which its recipients were chosen."""

    body: str
    body_format: BodyFormat
    text_body: str | None
    voice_script: str | None
    reply_to: str | None
    filter_criteria: Sequence[Criterion]


class CancellationRecord(NamedTuple):
    """Who canceled a message, when and why, and how many deliveries that stopped."""

    requested_at: datetime
    requested_by_id: str | None
    requested_by_name: str | None
    reason: str | None
    completed_at: datetime | None
    stopped: int
    already_sent: int


READING: Final = RecordColumns(
    MessageRecord,
    {
        field: MESSAGE.c["modes" if field == "delivery_modes" else field]
        for field in MessageRecord._fields
    },
)
KEY: Final = frozenset({"id"})
"""The fields that are always read."""


def select_by(hint: str | None, *columns: ColumnElement[Any]) -> Select[Any]:
    """Return a statement that selects columns of messages, with an index hint for SQLite (`db.sql.index_hints`)."""
    statement = select(*columns).select_from(MESSAGE)
    return statement if hint is None else statement.with_hint(MESSAGE, hint, "sqlite")


def by_ids(*, limited: bool) -> Select[Any]:
    """Return the statement for all columns of the visible messages in `ids`; see `visible_by_parameters` for `limited`."""
    return select_by(BY_ROWID, *READING.columns.values()).where(
        any_of_parameter(MESSAGE.c.id, "ids"), visible_by_parameters(limited=limited)
    )


_BY_IDS: Final = {limited: by_ids(limited=limited) for limited in (False, True)}


async def messages(
    source: Source, ids: Sequence[int], *, visibility: Visibility
) -> Mapping[int, MessageRecord]:
    """Return the visible messages with these ids."""
    statement = _BY_IDS[visibility.school_ids is not None]
    rows = await rows_of(source, statement, {"ids": ids, **visibility_parameters(visibility)})
    return {row[0]: MessageRecord(*row) for row in rows}


_CONTENTS: Final = select(CONTENT.c.message_id, *CONTENT.c[ContentRecord._fields]).where(
    any_of_parameter(CONTENT.c.message_id, "ids")
)
_CANCELLATIONS: Final = select(
    CANCELLATION.c.message_id, *CANCELLATION.c[CancellationRecord._fields]
).where(any_of_parameter(CANCELLATION.c.message_id, "ids"))


async def contents(source: Source, ids: Sequence[int]) -> Mapping[int, ContentRecord]:
    """Return the contents of the messages with these ids."""
    rows = await rows_of(source, _CONTENTS, {"ids": ids})
    return {message_id: ContentRecord(*content) for message_id, *content in rows}


async def cancellations(source: Source, ids: Sequence[int]) -> Mapping[int, CancellationRecord]:
    """Return the cancellations of the messages with these ids that were canceled."""
    rows = await rows_of(source, _CANCELLATIONS, {"ids": ids})
    return {message_id: CancellationRecord(*cancellation) for message_id, *cancellation in rows}
