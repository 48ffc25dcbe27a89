"""Finds the messages for a purge, and closes each before its recipients are removed.

`db.upkeep.purge_rows` removes the rows; `delivery.upkeep.purge` runs the steps in order.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from db.connect.notices import notify_of_message
from db.dispatch import in_flight
from db.ingest.move_in import take_lock
from db.sql.connections import ReadConnection, WriteConnection
from db.tables.conditions import CLAIMED
from db.tables.log import CANCELLATION, CONTENT, DELIVERY, DISTRICT, MESSAGE, TALLY
from db.tables.operations import ON_PEOPLE, PURGE, REPORT, TO_EXPIRE
from domain.report import ReportDetail
from domain.status import DeliveryStatus, MessageStatus
from domain.words import join_words

ENDED: Final = (
    MessageStatus.SENT,
    MessageStatus.ERROR,
    MessageStatus.CANCELED,
    MessageStatus.CANCELED_IN_PROGRESS,
)
"""The statuses of a message that a purge may remove. ERROR is one, because no provider reports after so long."""


class PurgeDistrict(NamedTuple):
    """A district with its external id."""

    id: int
    external_id: str


class PurgePlace(NamedTuple):
    """A message and its place in the order of a purge."""

    created_at: datetime
    id: int


class PurgePreview(NamedTuple):
    """The figures of what a purge of one district would remove."""

    district: str
    messages: int
    people: int
    """In the lists of all these messages; a person in two lists counts twice."""
    deliveries: int
    unfinished: int
    """Messages of the same age that have not ended; the purge leaves them."""


async def districts(connection: ReadConnection, *, known_as: str | None) -> Sequence[PurgeDistrict]:
    """Return all districts, or the one with the external id `known_as`; empty if it does not exist."""
    statement = select(DISTRICT.c.id, DISTRICT.c.external_id).order_by(DISTRICT.c.id)
    if known_as is not None:
        statement = statement.where(DISTRICT.c.external_id == known_as)
    return [PurgeDistrict(*row) for row in await connection.execute(statement)]


async def preview(
    connection: ReadConnection, district: PurgeDistrict, *, before: datetime
) -> PurgePreview:
    """Return what a purge would remove of the messages that were created and sent before an instant."""
    is_purged = case((_has_ended(), 1), else_=0)
    statement = select(
        func.coalesce(func.sum(is_purged), 0),
        func.coalesce(func.sum(MESSAGE.c.people * is_purged), 0),
        func.count(),
    ).where(_is_old(district.id, before))
    messages, people, old = (await connection.execute(statement)).one()
    deliveries = await connection.scalar(
        select(func.coalesce(func.sum(TALLY.c.deliveries), 0))
        .join(MESSAGE, MESSAGE.c.id == TALLY.c.message_id)
        .where(_is_old(district.id, before), _has_ended())
    )
    return PurgePreview(district.external_id, messages, people, deliveries or 0, old - messages)


async def next_messages(
    connection: ReadConnection,
    district: PurgeDistrict,
    *,
    before: datetime,
    after: PurgePlace | None,
    most: int,
) -> Sequence[PurgePlace]:
    """Return the next messages of a district for a purge, the oldest first."""
    place = (MESSAGE.c.created_at, MESSAGE.c.id)
    statement = select(*place).where(_is_old(district.id, before), _has_ended())
    if after is not None:
        bounds = tuple_(
            literal(after.created_at, MESSAGE.c.created_at.type),
            literal(after.id, MESSAGE.c.id.type),
        )
        statement = statement.where(tuple_(*place) > bounds)
    return [
        PurgePlace(*row) for row in await connection.execute(statement.order_by(*place).limit(most))
    ]


async def unfinished(connection: ReadConnection) -> Sequence[int]:
    """Return the messages whose purge has begun and not ended: it is running, or it was interrupted."""
    return (await connection.scalars(select(PURGE.c.message_id).order_by(PURGE.c.message_id))).all()


async def take_turn(connection: WriteConnection) -> None:
    """Acquire the lock of the ingest, first in each transaction of a purge, so that no new recipient refers to removed rows.

    Also makes SQLite overwrite deleted rows, which otherwise stay in the file until their page is reused.
    """
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("PRAGMA secure_delete = ON")
    await take_lock(connection)


async def begin(
    connection: WriteConnection, message_id: int, *, before: datetime, now: datetime
) -> bool:
    """Close a message to all further work and remove its content; return False and do nothing if it must not be purged (now).

    Removes body, voice script, text, reply address, filter criteria, and the reason of its cancellation.
    """
    message = await in_flight.lock(connection, message_id)
    if message is None:
        return False
    updated = await connection.execute(
        update(MESSAGE)
        .where(MESSAGE.c.id == message_id, _is_old(MESSAGE.c.district_id, before), _has_ended())
        .values(purged_at=now, has_open=False, revision=MESSAGE.c.revision + 1)
    )
    if updated.rowcount == 0:
        return False
    subject = await connection.scalar(select(MESSAGE.c.subject).where(MESSAGE.c.id == message_id))
    await connection.execute(
        update(CONTENT)
        .where(CONTENT.c.message_id == message_id)
        .values(
            body="",
            text_body=None,
            voice_script=None,
            reply_to=None,
            filter_criteria=(),
            words=join_words([subject]),
        )
    )
    await connection.execute(
        update(CANCELLATION).where(CANCELLATION.c.message_id == message_id).values(reason=None)
    )
    await connection.execute(insert(PURGE).values(message_id=message_id))
    await notify_of_message(
        connection,
        message_id,
        district_id=message.district_id,
        school_id=message.school_id,
        revision=message.revision + 1,
    )
    return True


async def kept_reports(connection: ReadConnection, message_id: int) -> Sequence[int]:
    """Return the reports that may contain removed data of a message.

    They are all on the message except summaries requested after the purge, and all before it on people of the district.
    """
    message = select(MESSAGE.c.district_id, MESSAGE.c.purged_at).where(MESSAGE.c.id == message_id)
    district_id, since = (await connection.execute(message)).one()
    is_before = REPORT.c.requested_at < since
    has_removed = or_(REPORT.c.detail != ReportDetail.SUMMARY, is_before)
    on_message = select(REPORT.c.id).where(
        REPORT.c.message_id == message_id, TO_EXPIRE, has_removed
    )
    on_people = select(REPORT.c.id).where(ON_PEOPLE, REPORT.c.district_id == district_id, is_before)
    return sorted([*await connection.scalars(on_message), *await connection.scalars(on_people)])


async def end(connection: WriteConnection, message_id: int) -> None:
    """Record that the purge of a message is complete."""
    await connection.execute(delete(PURGE).where(PURGE.c.message_id == message_id))


def _is_old(district_id: Any, before: datetime) -> ColumnElement[bool]:
    return and_(
        MESSAGE.c.district_id == district_id,
        MESSAGE.c.created_at < before,
        MESSAGE.c.scheduled_at < before,
        MESSAGE.c.purged_at.is_(None),
    )


def _has_ended() -> ColumnElement[bool]:
    """Return the condition that no delivery of the message will change any more. Recorded history never changes."""
    is_open = and_(
        TALLY.c.message_id == MESSAGE.c.id,
        ~TALLY.c.is_duplicate,
        TALLY.c.deliveries > 0,
        or_(
            TALLY.c.status == DeliveryStatus.PENDING,
            and_(
                TALLY.c.status == DeliveryStatus.IN_PROGRESS,
                MESSAGE.c.status != MessageStatus.ERROR,
            ),
        ),
    )
    is_done = and_(MESSAGE.c.status.in_(ENDED), not_(exists().where(is_open).correlate(MESSAGE)))
    return and_(
        or_(MESSAGE.c.is_recorded, is_done),
        MESSAGE.c.id.not_in(select(DELIVERY.c.message_id).where(CLAIMED)),
    )
