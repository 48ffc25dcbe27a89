"""Checks every stored figure against the rows."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, select

from db.connect.database import Database
from db.dispatch.in_flight import LiveDelivery
from db.log.counters import NO_CODE
from db.tables.figures import FIGURE
from db.tables.log import CANCELLATION, DELIVERY, MESSAGE, RECIPIENT, SPAN, TALLY
from domain.counting import is_reached
from domain.figures import delay_of
from domain.modes import PHONE_MODES
from domain.status import (
    OPEN,
    DeliveryMode,
    DeliveryStatus,
    MessageStatus,
)
from tests.address_states import recount_addresses

LEFT: Final = (DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED)


async def recount(database: Database, message_id: int | None = None) -> None:
    """Fail unless every figure of every message, or of one message, matches its rows."""
    if message_id is None:
        await recount_addresses(database)
    async with database.reading() as connection:

        async def of(table: Table) -> list[Any]:
            all_rows = await connection.execute(select(table))
            key = "id" if table is MESSAGE else "message_id"
            return [row for row in all_rows if message_id in (None, getattr(row, key))]

        rows = [
            LiveDelivery(*(getattr(row, name) for name in LiveDelivery._fields))
            for row in await of(DELIVERY)
        ]
        lists = await of(RECIPIENT)
        messages = await of(MESSAGE)
        tallies = await of(TALLY)
        cancellations = await of(CANCELLATION)
        spans = await of(SPAN)
        figures = await of(FIGURE)
    assert {(*row[:-1],): row.deliveries for row in tallies if row.deliveries} == Counter(
        (
            row.message_id,
            row.mode,
            row.status,
            NO_CODE if row.call_status is None else row.call_status,
            row.is_duplicate,
        )
        for row in rows
    )
    assert all(row.deliveries >= 0 for row in tallies)
    assert {tuple(row[:-1]): row.deliveries for row in figures if row.deliveries} == Counter(
        (
            row.message_id,
            row.mode,
            row.gateway or "",
            row.status,
            delay_of(row.status, row.handed_at, row.at),
        )
        for row in rows
        if not row.is_duplicate
    )
    assert all(row.deliveries >= 0 for row in figures)
    _recount_duplicates(rows)
    _recount_people(rows, lists, messages)
    firsts = [row for row in rows if not row.is_duplicate]
    for one_message in messages:
        mine = [row for row in firsts if row.message_id == one_message.id]
        assert one_message.has_open == any(row.status in OPEN for row in mine)
        has_failures = any(row.status is DeliveryStatus.FAILED for row in mine)
        assert one_message.has_failures == has_failures
        if one_message.status is MessageStatus.SENT:
            assert not one_message.has_open
    for cancellation in cancellations:
        mine = [row for row in firsts if row.message_id == cancellation.message_id]
        # A delivery that failed before its first attempt had not left.
        counts = Counter(
            row.status for row in mine if row.attempts or row.status is not DeliveryStatus.FAILED
        )
        assert cancellation.stopped == (
            counts[DeliveryStatus.CANCELED] + counts[DeliveryStatus.PENDING]
        )
        assert cancellation.already_sent == (
            sum(counts[status] for status in LEFT) + counts[DeliveryStatus.IN_PROGRESS]
        )
        assert (cancellation.completed_at is None) == any(row.status in OPEN for row in mine)
    latest: dict[tuple[int, DeliveryMode], datetime] = {}
    for row in firsts:
        if row.status in LEFT and row.at is not None and row.attempts:
            key = (row.message_id, row.mode)
            latest[key] = max(latest.get(key, row.at), row.at)
    assert {
        (span.message_id, span.mode): span.ended_at for span in spans if span.ended_at is not None
    } == latest


def _recount_duplicates(rows: Sequence[LiveDelivery]) -> None:
    """Check that a duplicate has the state of the first delivery to its address."""
    firsts = {
        (row.message_id, row.mode, row.address_id): row for row in rows if not row.is_duplicate
    }
    for row in rows:
        if row.is_duplicate:
            first = firsts[row.message_id, row.mode, row.address_id]
            assert (row.status, row.call_status, row.confirmed, row.at) == (
                first.status,
                first.call_status,
                first.confirmed,
                first.at,
            )
            assert row.attempts == 0
            assert row.claim is None


def _recount_people(
    rows: Sequence[LiveDelivery], lists: Sequence[Any], messages: Sequence[Any]
) -> None:
    """Check that exactly the people with a reached number count as contacted, by any delivery to that number."""
    hit = {
        (row.message_id, row.address_id)
        for row in rows
        if row.mode in PHONE_MODES and is_reached(row.call_status, row.confirmed)
    }
    person_of = {(row.message_id, row.number): row.person_id for row in lists}
    contacted = {
        (row.message_id, person_of[row.message_id, row.recipient_number])
        for row in rows
        if row.mode in PHONE_MODES and (row.message_id, row.address_id) in hit
    }
    for row in lists:
        assert row.contacted == ((row.message_id, row.person_id) in contacted)
    for one_message in messages:
        assert one_message.people_contacted == len(
            {person for message_id, person in contacted if message_id == one_message.id}
        )
