"""The marks in the Delivery Detail of a report, needed before its first row because the legend is above the rows."""

from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, exists, false, not_, or_, select, true

from db.log.counters import Counters
from db.sql.connections import ReadConnection
from db.tables.log import DELIVERY, RECIPIENT
from domain.report import RowRule
from domain.status import DeliveryStatus


class Marks(NamedTuple):
    """Whether any row has a duplicate address, and any row a recipient who was not contacted by phone."""

    has_duplicates: bool = False
    has_not_contacted: bool = False


async def marks(
    connection: ReadConnection, message_id: int, *, rule: RowRule, counters: Counters
) -> Marks:
    """Return the marks in the rows that `rule` selects for a report on a message; `counters` are of the same snapshot."""
    may_have_duplicates = any(
        tally.is_duplicate and tally.deliveries and tally.mode in rule.modes
        for tally in counters.tallies
    )
    if may_have_duplicates and rule.is_failed_only:
        duplicate = exists().where(_is_shown(rule), DELIVERY.c.is_duplicate)
        with_duplicate = select(RECIPIENT.c.number).where(
            RECIPIENT.c.message_id == message_id, duplicate, _has_failed(rule)
        )
        may_have_duplicates = await connection.scalar(with_duplicate.limit(1)) is not None
    not_contacted = select(RECIPIENT.c.number).where(
        RECIPIENT.c.message_id == message_id, not_(RECIPIENT.c.contacted), _has_row(rule)
    )
    return Marks(
        has_duplicates=may_have_duplicates,
        has_not_contacted=await connection.scalar(not_contacted.limit(1)) is not None,
    )


def _of_recipient() -> ColumnElement[bool]:
    return and_(
        DELIVERY.c.message_id == RECIPIENT.c.message_id,
        DELIVERY.c.recipient_number == RECIPIENT.c.number,
    )


def _is_shown(rule: RowRule) -> ColumnElement[bool]:
    return and_(_of_recipient(), DELIVERY.c.mode.in_(rule.modes))


def _has_failed(rule: RowRule) -> ColumnElement[bool]:
    failed = DELIVERY.alias("failed")
    return exists().where(
        failed.c.message_id == RECIPIENT.c.message_id,
        failed.c.recipient_number == RECIPIENT.c.number,
        failed.c.mode.in_(rule.modes),
        failed.c.status == DeliveryStatus.FAILED,
    )


def _has_row(rule: RowRule) -> ColumnElement[bool]:
    """Return the condition that a recipient has a row, as in `domain.report.rows_of_recipient`."""
    without_device = not_(exists().where(_of_recipient())) if rule.has_no_device else false()
    has_failed = _has_failed(rule) if rule.is_failed_only else true()
    return or_(without_device, and_(exists().where(_is_shown(rule)), has_failed))
