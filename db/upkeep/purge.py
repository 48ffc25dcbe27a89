"""Messages whose time is over: which they are, and how each is closed before its recipients leave the log.

How those leave is in `db.upkeep.purge_rows`, and in which order all of it is done in `delivery.upkeep.purge`.
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
from sqlalchemy.ext.asyncio import AsyncConnection

from db.dispatch import in_flight
from db.ingest.move_in import take_lock
from db.tables.log import (
    CANCELLATION,
    CLAIMED,
    CONTENT,
    DELIVERY,
    DISTRICT,
    MESSAGE,
    TALLY,
)
from db.tables.operations import PURGE, REPORT, TO_EXPIRE
from domain.report import ReportDetail
from domain.status import DeliveryStatus, MessageStatus

ENDED: Final = (
    MessageStatus.SENT,
    MessageStatus.ERROR,
    MessageStatus.CANCELED,
    MessageStatus.CANCELED_IN_PROGRESS,
)
"""Where a message may stand whose recipients are removed. ERROR is among them: after so long no provider answers any more."""


class District(NamedTuple):
    """A district, and by which id others know it."""

    id: int
    external_id: str


class Place(NamedTuple):
    """A message, and where it stands in the order in which messages are purged."""

    created_at: datetime
    id: int


class Found(NamedTuple):
    """What a purge of one district would remove, as the figures tell: they are kept."""

    district: str
    messages: int
    people: int
    """In the lists of all these messages together: whoever stands in two lists counts twice."""
    deliveries: int
    unfinished: int
    """Messages that are as old and have not ended: they are left alone."""


async def districts(connection: AsyncConnection, *, known_as: str | None) -> Sequence[District]:
    """The districts, or the one that others know by this id; none where there is none."""
    statement = select(DISTRICT.c.id, DISTRICT.c.external_id).order_by(DISTRICT.c.id)
    if known_as is not None:
        statement = statement.where(DISTRICT.c.external_id == known_as)
    return [District(*row) for row in await connection.execute(statement)]


async def found(connection: AsyncConnection, district: District, *, before: datetime) -> Found:
    """What a purge would remove of the messages that were created and sent before an instant."""
    goes = case((_has_ended(), 1), else_=0)
    statement = select(
        func.coalesce(func.sum(goes), 0),
        func.coalesce(func.sum(MESSAGE.c.people * goes), 0),
        func.count(),
    ).where(_is_old(district.id, before))
    messages, people, old = (await connection.execute(statement)).one()
    deliveries = await connection.scalar(
        select(func.coalesce(func.sum(TALLY.c.deliveries), 0))
        .join(MESSAGE, MESSAGE.c.id == TALLY.c.message_id)
        .where(_is_old(district.id, before), _has_ended())
    )
    return Found(district.external_id, messages, people, deliveries or 0, old - messages)


async def next_messages(
    connection: AsyncConnection,
    district: District,
    *,
    before: datetime,
    after: Place | None,
    most: int,
) -> Sequence[Place]:
    """The next messages of a district that a purge takes, the oldest first."""
    place = (MESSAGE.c.created_at, MESSAGE.c.id)
    statement = select(*place).where(_is_old(district.id, before), _has_ended())
    if after is not None:
        bounds = tuple_(
            literal(after.created_at, MESSAGE.c.created_at.type),
            literal(after.id, MESSAGE.c.id.type),
        )
        statement = statement.where(tuple_(*place) > bounds)
    return [Place(*row) for row in await connection.execute(statement.order_by(*place).limit(most))]


async def begun(connection: AsyncConnection) -> Sequence[int]:
    """The messages that a purge has begun and not ended: it broke off, or it is at work."""
    return (await connection.scalars(select(PURGE.c.message_id).order_by(PURGE.c.message_id))).all()


async def take_turn(connection: AsyncConnection) -> None:
    """For whoever purges, first in each transaction: nobody brings in a recipient of whom it is being judged who is left.

    SQLite overwrites what this connection deletes: otherwise it stays in the file until its page is used again.
    """
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("PRAGMA secure_delete = ON")
    await take_lock(connection)


async def begin(
    connection: AsyncConnection, message_id: int, *, before: datetime, now: datetime
) -> bool:
    """Close a message to all further work, and forget what it said; False, and nothing is done, where it may not go (now).

    What was said goes at once: body, script, text, reply address, criteria, and why it was canceled.
    """
    if await in_flight.lock(connection, message_id) is None:
        return False
    closed = await connection.execute(
        update(MESSAGE)
        .where(MESSAGE.c.id == message_id, _is_old(MESSAGE.c.district_id, before), _has_ended())
        .values(purged_at=now, has_open=False, revision=MESSAGE.c.revision + 1)
    )
    if closed.rowcount == 0:
        return False
    await connection.execute(
        update(CONTENT)
        .where(CONTENT.c.message_id == message_id)
        .values(body="", text_body=None, voice_script=None, reply_to=None, filter_criteria=())
    )
    await connection.execute(
        update(CANCELLATION).where(CANCELLATION.c.message_id == message_id).values(reason=None)
    )
    await connection.execute(insert(PURGE).values(message_id=message_id))
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_notify("sentlog", f"message.{message_id}")))
    return True


async def kept_reports(connection: AsyncConnection, message_id: int) -> Sequence[int]:
    """The reports of a message that may tell what was removed: all but summaries that were asked for since."""
    since = select(MESSAGE.c.purged_at).where(MESSAGE.c.id == message_id).scalar_subquery()
    told = or_(REPORT.c.detail != ReportDetail.SUMMARY, REPORT.c.requested_at < since)
    statement = select(REPORT.c.id).where(REPORT.c.message_id == message_id, TO_EXPIRE, told)
    return (await connection.scalars(statement.order_by(REPORT.c.id))).all()


async def end(connection: AsyncConnection, message_id: int) -> None:
    """Nothing is left to be done for a message."""
    await connection.execute(delete(PURGE).where(PURGE.c.message_id == message_id))


def _is_old(district_id: Any, before: datetime) -> ColumnElement[bool]:
    return and_(
        MESSAGE.c.district_id == district_id,
        MESSAGE.c.created_at < before,
        MESSAGE.c.scheduled_at < before,
        MESSAGE.c.purged_at.is_(None),
    )


def _has_ended() -> ColumnElement[bool]:
    """Nothing of the message will be handed over or settled any more; nothing of history from elsewhere ever was, and it stays
    as it came, under way or not."""
    is_owed = and_(
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
    is_done = and_(MESSAGE.c.status.in_(ENDED), not_(exists().where(is_owed).correlate(MESSAGE)))
    return and_(
        or_(MESSAGE.c.is_recorded, is_done),
        MESSAGE.c.id.not_in(select(DELIVERY.c.message_id).where(CLAIMED)),
    )
