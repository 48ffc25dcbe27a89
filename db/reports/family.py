"""The figures of a family report: what one contact, or one student's contacts, were sent between two days."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, select

from db.log.people import created_between, is_of
from db.log.recipients import OUTCOMES, RecipientOutcome
from db.log.visibility import Visibility, visible
from db.reports.subjects import FamilySubject
from db.sql.connections import ReadConnection
from db.tables.log import DELIVERY, MESSAGE, RECIPIENT


class FamilyFigures(NamedTuple):
    """The figures of a family report; messages of which the viewer sees nothing are in none."""

    messages: int
    recipients: int
    """Entries in their lists of recipients: a message about two students has two."""
    reached: int
    """Messages of which a delivery reached a person."""
    unfinished: int
    """Messages that have reached nobody yet, and have a delivery without an outcome."""
    deliveries: int
    """Deliveries, without duplicates."""
    duplicates: int
    removed: int
    """Messages of these days whose recipients were purged: nobody knows any more to whom they went."""


def is_in_report(subject: FamilySubject) -> ColumnElement[bool]:
    """Return the condition that a report has a message, if it is visible and to or about its person.

    A purge that is running has removed only a part of the recipients of its message, so the report has none of them.
    """
    return and_(created_between(subject.created), MESSAGE.c.purged_at.is_(None))


async def family_figures(
    connection: ReadConnection, subject: FamilySubject, *, visibility: Visibility
) -> FamilyFigures:
    """Return the figures of a family report."""
    each = _messages(subject, visibility).subquery("each")
    of_messages = select(
        func.count(),
        func.coalesce(func.sum(each.c.recipients), 0),
        func.coalesce(func.sum(each.c.reached), 0),
        func.coalesce(func.sum((1 - each.c.reached) * each.c.pending), 0),
    ).select_from(each)
    messages = (await connection.execute(of_messages)).one()
    of_recipient = and_(
        DELIVERY.c.message_id == RECIPIENT.c.message_id,
        DELIVERY.c.recipient_number == RECIPIENT.c.number,
    )
    statement = (
        select(
            func.coalesce(func.sum(case((DELIVERY.c.is_duplicate, 0), else_=1)), 0),
            func.coalesce(func.sum(case((DELIVERY.c.is_duplicate, 1), else_=0)), 0),
        )
        .select_from(
            RECIPIENT.join(MESSAGE, MESSAGE.c.id == RECIPIENT.c.message_id).join(
                DELIVERY, of_recipient
            )
        )
        .where(_is_shown(subject, visibility))
    )
    of_deliveries = (await connection.execute(statement)).one()
    removed = await _removed(connection, subject, visibility)
    return FamilyFigures(*map(int, (*messages, *of_deliveries, removed)))


async def family_state(
    connection: ReadConnection, subject: FamilySubject, *, visibility: Visibility
) -> str:
    """Return a text that differs after any change of what a family report shows.

    Each change of a message raises its revision. A message that comes or goes changes their number or the sum of their ids.
    """
    each = _messages(subject, visibility).subquery("each")
    sums = (func.sum(each.c.message_id), func.sum(each.c.revision))
    statement = select(func.count(), *(func.coalesce(one, 0) for one in sums)).select_from(each)
    row = (await connection.execute(statement)).one()
    return ".".join(map(str, (*row, await _removed(connection, subject, visibility))))


def _messages(subject: FamilySubject, visibility: Visibility) -> Any:
    """Return the statement for the messages of a report, each with what became of it for these people."""
    return (
        select(
            RECIPIENT.c.message_id,
            MESSAGE.c.revision,
            func.count().label("recipients"),
            _any_is(RecipientOutcome.REACHED).label("reached"),
            _any_is(RecipientOutcome.PENDING).label("pending"),
        )
        .join(MESSAGE, MESSAGE.c.id == RECIPIENT.c.message_id)
        .where(_is_shown(subject, visibility))
        .group_by(RECIPIENT.c.message_id, MESSAGE.c.revision)
    )


def _any_is(outcome: RecipientOutcome) -> ColumnElement[int]:
    """Return 1 if any recipient of a group has this outcome, else 0."""
    return func.max(case((OUTCOMES[outcome], 1), else_=0))


def _is_shown(subject: FamilySubject, visibility: Visibility) -> ColumnElement[bool]:
    return and_(
        is_of(subject.person_id, subject.role),
        visible(visibility),
        is_in_report(subject),
    )


async def _removed(
    connection: ReadConnection, subject: FamilySubject, visibility: Visibility
) -> int:
    statement = select(func.count()).where(
        visible(visibility), created_between(subject.created), MESSAGE.c.purged_at.is_not(None)
    )
    return await connection.scalar(statement) or 0
