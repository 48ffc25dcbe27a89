"""The counters of a message: how many deliveries have which facts in common, and when each mode began and ended.

What figures they make is in `domain.counting`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.keys import any_of
from db.tables import SPAN, TALLY
from domain import counting
from domain.status import DeliveryMode

NO_CODE: Final = 32_767
"""Stands for "no call status yet" in a tally's key; the widest SMALLINT, which no provider's code is."""


class SpanRecord(NamedTuple):
    """First hand-over and last outcome of one mode of a message, in UTC."""

    mode: DeliveryMode
    started_at: datetime | None
    ended_at: datetime | None


async def of_messages(
    connection: AsyncConnection, message_ids: Sequence[int]
) -> Mapping[int, Sequence[counting.Tally]]:
    """The tallies of each message that has deliveries, in the order mode, status, code."""
    statement = (
        select(
            TALLY.c.message_id,
            TALLY.c.mode,
            TALLY.c.status,
            TALLY.c.call_status,
            TALLY.c.is_duplicate,
            TALLY.c.deliveries,
        )
        .where(any_of(TALLY.c.message_id, message_ids))
        .order_by(
            TALLY.c.message_id,
            TALLY.c.mode,
            TALLY.c.status,
            TALLY.c.call_status,
            TALLY.c.is_duplicate,
        )
    )
    found: dict[int, list[counting.Tally]] = {}
    for message_id, mode, status, code, is_duplicate, deliveries in await connection.execute(
        statement
    ):
        tally = counting.Tally(
            mode, status, None if code == NO_CODE else code, is_duplicate, deliveries
        )
        found.setdefault(message_id, []).append(tally)
    return found


async def spans(
    connection: AsyncConnection, message_ids: Sequence[int]
) -> Mapping[int, Sequence[SpanRecord]]:
    """The spans of each message of which something was handed over."""
    statement = select(SPAN.c.message_id, SPAN.c.mode, SPAN.c.started_at, SPAN.c.ended_at).where(
        any_of(SPAN.c.message_id, message_ids)
    )
    found: dict[int, list[SpanRecord]] = {}
    for message_id, *span in await connection.execute(statement):
        found.setdefault(message_id, []).append(SpanRecord(*span))
    return found


def begun_at(spans: Sequence[SpanRecord]) -> datetime | None:
    """The first hand-over of any of these modes."""
    return min((span.started_at for span in spans if span.started_at is not None), default=None)


def ended_at(spans: Sequence[SpanRecord]) -> datetime | None:
    """The last outcome of any of these modes."""
    return max((span.ended_at for span in spans if span.ended_at is not None), default=None)
