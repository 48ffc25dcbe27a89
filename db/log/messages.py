"""Messages as records: one message and what it says.

A page of the log is in `db.search.log_page`, what finds messages in `db.search.search`, counts in `db.search.facets`, the figures in `db.log.counters`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, select

from db.connect.single_statement import Source, rows_of
from db.log.visibility import Visibility, seen, visible_by_parameters
from db.sql.index_hints import BY_ROWID
from db.sql.key_lists import any_of_parameter
from db.sql.rows import Reading
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
    """From then on recipients and content are being removed, or gone."""
    category: str | None = None
    """The kind of notice within its type."""


class ContentRecord(NamedTuple):
    """What a message says, and what its recipients were chosen by."""

    body: str
    body_format: BodyFormat
    text_body: str | None
    voice_script: str | None
    reply_to: str | None
    filter_criteria: Sequence[Criterion]


class CancellationRecord(NamedTuple):
    """Who stopped a message, when and why, and what that did."""

    requested_at: datetime
    requested_by_id: str | None
    requested_by_name: str | None
    reason: str | None
    completed_at: datetime | None
    stopped: int
    already_sent: int


READING: Final = Reading(
    MessageRecord,
    {
        field: MESSAGE.c["modes" if field == "delivery_modes" else field]
        for field in MessageRecord._fields
    },
)
KEY: Final = frozenset({"id"})
"""What is read whatever is asked for."""


def select_by(route: str | None, *columns: ColumnElement[Any]) -> Select[Any]:
    """A statement that reads messages by `route`."""
    statement = select(*columns).select_from(MESSAGE)
    return statement if route is None else statement.with_hint(MESSAGE, route, "sqlite")


def by_ids(*, limited: bool) -> Select[Any]:
    """The statement that reads whole messages with these `ids`, as far as `visible_by_parameters` lets see them."""
    return select_by(BY_ROWID, *READING.columns.values()).where(
        any_of_parameter(MESSAGE.c.id, "ids"), visible_by_parameters(limited=limited)
    )


_BY_IDS: Final = {limited: by_ids(limited=limited) for limited in (False, True)}


async def messages(
    source: Source, ids: Sequence[int], *, visibility: Visibility
) -> Mapping[int, MessageRecord]:
    """The messages with these ids, as far as they may be seen."""
    statement = _BY_IDS[visibility.school_ids is not None]
    rows = await rows_of(source, statement, {"ids": ids, **seen(visibility)})
    return {row[0]: MessageRecord(*row) for row in rows}


_CONTENTS: Final = select(
    CONTENT.c.message_id, *(CONTENT.c[field] for field in ContentRecord._fields)
).where(any_of_parameter(CONTENT.c.message_id, "ids"))
_CANCELLATIONS: Final = select(
    CANCELLATION.c.message_id, *(CANCELLATION.c[field] for field in CancellationRecord._fields)
).where(any_of_parameter(CANCELLATION.c.message_id, "ids"))


async def contents(source: Source, ids: Sequence[int]) -> Mapping[int, ContentRecord]:
    """What the messages with these ids say."""
    rows = await rows_of(source, _CONTENTS, {"ids": ids})
    return {message_id: ContentRecord(*content) for message_id, *content in rows}


async def cancellations(source: Source, ids: Sequence[int]) -> Mapping[int, CancellationRecord]:
    """The cancellations of those of these messages that were canceled."""
    rows = await rows_of(source, _CANCELLATIONS, {"ids": ids})
    return {message_id: CancellationRecord(*cancellation) for message_id, *cancellation in rows}
