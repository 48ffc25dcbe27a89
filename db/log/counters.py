"""The counters of a message: the number of deliveries per combination of facts, and when each mode began and ended.

`domain.counting` computes the figures from them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, select

from db.connect.single_statement import Source, rows_of
from db.log.messages import MessageRecord, by_ids
from db.log.visibility import Visibility, visibility_parameters
from db.sql.key_lists import any_of_parameter
from db.tables.log import MESSAGE, SPAN, TALLY
from domain import counting
from domain.status import DeliveryMode

NO_CODE: Final = 32_767
"""Stands for "no call status yet" in the key of a tally: the largest SMALLINT, which no provider uses as a code."""


class SpanRecord(NamedTuple):
    """First hand-over and last outcome of one mode of a message, in UTC."""

    mode: DeliveryMode
    started_at: datetime | None
    ended_at: datetime | None


class Counters(NamedTuple):
    """The counters of a message: its tallies, and the span of each mode."""

    tallies: Sequence[counting.Tally] = ()
    spans: Sequence[SpanRecord] = ()


COLUMNS: Final = (
    *TALLY.c["message_id", "mode", "status", "call_status", "is_duplicate", "deliveries"],
    *SPAN.c["started_at", "ended_at"],
)
"""The columns of a tally and of its mode's span. A mode with a span has deliveries, and so a tally."""

SPAN_OF_TALLY: Final = and_(SPAN.c.message_id == TALLY.c.message_id, SPAN.c.mode == TALLY.c.mode)

_OF_MESSAGES: Final = (
    select(*COLUMNS)
    .select_from(TALLY.outerjoin(SPAN, SPAN_OF_TALLY))
    .where(any_of_parameter(TALLY.c.message_id, "ids"))
)


async def of_messages(source: Source, message_ids: Sequence[int]) -> Mapping[int, Counters]:
    """Return the counters of each message that has deliveries."""
    return by_message(await rows_of(source, _OF_MESSAGES, {"ids": message_ids}))


def by_message(rows: Iterable[Sequence[Any]]) -> Mapping[int, Counters]:
    """Return the counters of each message from rows of `COLUMNS`."""
    parts: dict[int, tuple[list[counting.Tally], dict[DeliveryMode, SpanRecord]]] = {}
    for message_id, mode, status, code, is_duplicate, deliveries, started_at, ended_at in rows:
        if message_id is None:  # from the outer join with a message without deliveries
            continue
        tallies, spans = parts.setdefault(message_id, ([], {}))
        code = None if code == NO_CODE else code
        tallies.append(counting.Tally(mode, status, code, is_duplicate, deliveries))
        if started_at is not None or ended_at is not None:
            spans[mode] = SpanRecord(mode, started_at, ended_at)
    return {
        message_id: Counters(tallies, tuple(spans.values()))
        for message_id, (tallies, spans) in parts.items()
    }


def started_at(spans: Sequence[SpanRecord]) -> datetime | None:
    """Return the first hand-over of these modes; None if there was none."""
    return min((span.started_at for span in spans if span.started_at is not None), default=None)


def ended_at(spans: Sequence[SpanRecord]) -> datetime | None:
    """Return the last outcome of these modes; None if there is none."""
    return max((span.ended_at for span in spans if span.ended_at is not None), default=None)


# Messages together with their counters, in one statement

_WIDTH: Final = len(MessageRecord._fields)
_BY_IDS: Final = {
    limited: by_ids(limited=limited)
    .outerjoin(TALLY, TALLY.c.message_id == MESSAGE.c.id)
    .outerjoin(SPAN, SPAN_OF_TALLY)
    .add_columns(*COLUMNS)
    for limited in (False, True)
}


async def counted_messages(
    source: Source, ids: Sequence[int], *, visibility: Visibility
) -> Mapping[int, tuple[MessageRecord, Counters]]:
    """Return the visible messages with these ids, each with its counters."""
    statement = _BY_IDS[visibility.school_ids is not None]
    rows = await rows_of(source, statement, {"ids": ids, **visibility_parameters(visibility)})
    messages = {row[0]: MessageRecord(*row[:_WIDTH]) for row in rows}
    counters = by_message(row[_WIDTH:] for row in rows)
    return {id: (message, counters.get(id, Counters())) for id, message in messages.items()}
