"""How many recipients of a message have each outcome, by the same rules as the filter of `db.log.recipients`.

A recipient may have several outcomes, such as REACHED and HAS_FAILURE.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Label, and_, case, func, or_, select

from db.log.recipients import HAS_ARRIVED, HAS_FAILED, IS_PENDING, RecipientOutcome
from db.sql.connections import ReadConnection
from db.sql.key_lists import any_of
from db.tables.log import DELIVERY, RECIPIENT


class OutcomeCount(NamedTuple):
    """The number of recipients with an outcome."""

    outcome: RecipientOutcome
    recipients: int


NOBODY: Final = tuple(OutcomeCount(outcome, 0) for outcome in RecipientOutcome)
"""The counts of a message without recipients."""


async def outcome_counts(
    connection: ReadConnection, message_ids: Sequence[int]
) -> Mapping[int, Sequence[OutcomeCount]]:
    """Return the count of each outcome for each of these messages, zeros included; a message without recipients is left out."""
    # One pass over the deliveries in the order of the primary keys, instead of a look-up per recipient and outcome.
    of_recipient = and_(
        DELIVERY.c.message_id == RECIPIENT.c.message_id,
        DELIVERY.c.recipient_number == RECIPIENT.c.number,
    )
    each = (
        select(
            RECIPIENT.c.message_id,
            RECIPIENT.c.number,
            _any(RECIPIENT.c.contacted).label("contacted"),
            _any(HAS_ARRIVED).label("arrived"),
            _any(HAS_FAILED).label("failed"),
            _any(IS_PENDING).label("pending"),
            func.count(DELIVERY.c.number).label("deliveries"),
        )
        .select_from(RECIPIENT.outerjoin(DELIVERY, of_recipient))
        .where(any_of(RECIPIENT.c.message_id, message_ids))
        .group_by(RECIPIENT.c.message_id, RECIPIENT.c.number)
        .subquery("each")
    )
    reached = or_(each.c.contacted == 1, each.c.arrived == 1)
    rules = {
        RecipientOutcome.REACHED: reached,
        RecipientOutcome.NOT_REACHED: ~reached,
        RecipientOutcome.HAS_FAILURE: each.c.failed == 1,
        RecipientOutcome.NO_DEVICE: each.c.deliveries == 0,
        RecipientOutcome.PENDING: each.c.pending == 1,
    }
    statement = select(
        each.c.message_id, *(_count(rules[outcome], outcome) for outcome in RecipientOutcome)
    ).group_by(each.c.message_id)
    return {
        message_id: tuple(map(OutcomeCount, RecipientOutcome, counts))
        for message_id, *counts in await connection.execute(statement)
    }


def _any(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Return 1 if `condition` holds for any row of a group, and 0 otherwise."""
    return func.max(case((condition, 1), else_=0))


def _count(condition: ColumnElement[bool], outcome: RecipientOutcome) -> Label[Any]:
    return func.sum(case((condition, 1), else_=0)).label(outcome.lower())
