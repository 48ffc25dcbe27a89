"""The figures of single messages: deliveries counted by mode, gateway, status and delay, without duplicates.

They are exact at each moment, because they change in the transaction that changes the deliveries, under the message's lock.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, case, delete, func, select

from db.sql.bulk_write import insert_rows
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.key_lists import any_of
from db.sql.upsert import insert_into
from db.tables.figures import FIGURE, FIGURE_CHANGE, NO_GATEWAY
from db.tables.log import DELIVERY, MESSAGE, TALLY
from domain.figures import NO_DELAY, OUTCOMES, delay_of


class FigureKey(NamedTuple):
    """The facts of a delivery by which figures count it. Mode and status are plain texts, because those cache their hash."""

    message_id: int
    mode: str
    gateway: str
    status: str
    delay: int


_COLUMNS: Final = (*FigureKey._fields, "deliveries")
_COUNT_UP: Final = (
    "ON CONFLICT (message_id, mode, gateway, status, delay) "
    "DO UPDATE SET deliveries = figure.deliveries + excluded.deliveries"
)


def _part(first: int, length: int) -> ColumnElement[str]:
    return func.substr(MESSAGE.c.created_text, first, length)


DAY: Final = _part(7, 4) + "-" + _part(1, 2) + "-" + _part(4, 2)
"""The local day on which a message was created, as `2020-01-31`; the log shows it as 01/31/2020."""


_PlainKey = tuple[int, str, str, str, int]
"""A `FigureKey`, which takes three times as long to make."""


def _plain_key(delivery: Any) -> _PlainKey:
    """Return the facts of a `db.dispatch.in_flight.LiveDelivery`."""
    status, handed_at = delivery.status._value_, delivery.handed_at
    has_delay = handed_at is not None and status in OUTCOMES
    delay = delay_of(status, handed_at, delivery.at) if has_delay else NO_DELAY
    return (
        delivery.message_id,
        delivery.mode._value_,
        delivery.gateway or NO_GATEWAY,
        status,
        delay,
    )


async def update_figures(
    connection: WriteConnection, message_id: int, moves: Iterable[tuple[Any, Any]]
) -> None:
    """Update the figures of a locked message for deliveries that changed, each before and after."""
    counted = [move for move in moves if not move[1].is_duplicate]
    steps = Counter(_plain_key(after) for _, after in counted)
    steps.subtract(_plain_key(before) for before, _ in counted)
    rows = [(*key, step) for key, step in steps.items() if step]
    if rows:
        await insert_rows(connection, FIGURE, rows, columns=_COLUMNS, on_conflict=_COUNT_UP)
        await mark_changed(connection, [message_id])


async def mark_changed(connection: WriteConnection, message_ids: Sequence[int]) -> None:
    """Note that the sums of days do not hold the present figures of these messages."""
    rows = select(MESSAGE.c.id, MESSAGE.c.district_id, DAY).where(any_of(MESSAGE.c.id, message_ids))
    columns = FIGURE_CHANGE.c["message_id", "district_id", "day"]
    await connection.execute(
        insert_into(connection, FIGURE_CHANGE).from_select(columns, rows).on_conflict_do_nothing()
    )


# Recounts


async def stored_figures(
    connection: ReadConnection, message_ids: Sequence[int]
) -> Mapping[FigureKey, int]:
    """Return the figures of these messages as they are stored, without those that are 0."""
    statement = select(*FIGURE.c[*_COLUMNS]).where(
        any_of(FIGURE.c.message_id, message_ids), FIGURE.c.deliveries != 0
    )
    rows = await connection.execute(statement)
    return {
        FigureKey(message_id, mode.value, gateway, status.value, delay): count
        for message_id, mode, gateway, status, delay, count in rows
    }


async def count_figures(
    connection: ReadConnection, message_ids: Sequence[int]
) -> Mapping[FigureKey, int]:
    """Return the figures of these messages, counted from their deliveries."""
    has_outcome = DELIVERY.c.status.in_(sorted(OUTCOMES))
    facts: tuple[ColumnElement[Any], ...] = (
        *DELIVERY.c["message_id", "mode", "gateway", "status"],
        case((has_outcome, DELIVERY.c.handed_at)),
        case((has_outcome & DELIVERY.c.handed_at.is_not(None), DELIVERY.c.at)),
    )
    statement: Select[Any] = (
        select(*facts, func.count())
        .where(any_of(DELIVERY.c.message_id, message_ids), ~DELIVERY.c.is_duplicate)
        .group_by(*facts)
    )
    counts: Counter[FigureKey] = Counter()
    for message_id, mode, gateway, status, handed_at, at, count in await connection.execute(
        statement
    ):
        delay = delay_of(status, handed_at, at)
        counts[FigureKey(message_id, mode.value, gateway or NO_GATEWAY, status.value, delay)] += (
            count
        )
    return counts


async def rebuild_figures(connection: WriteConnection, message_ids: Sequence[int]) -> None:
    """Replace the figures of these locked messages by counts of their rows; those of purged messages only if they have none.

    A purged message has no deliveries any more. Its tallies remain, which know neither gateway nor delay.
    """
    in_list = any_of(MESSAGE.c.id, message_ids)
    rows = await connection.execute(select(MESSAGE.c.id, MESSAGE.c.purged_at).where(in_list))
    purged = {row.id: row.purged_at is not None for row in rows}
    whole = [message_id for message_id in message_ids if not purged[message_id]]
    await connection.execute(delete(FIGURE).where(any_of(FIGURE.c.message_id, whole)))
    counts = dict(await count_figures(connection, whole))
    counted = select(FIGURE.c.message_id).where(any_of(FIGURE.c.message_id, message_ids))
    known = set(await connection.scalars(counted.distinct()))
    gone = [
        message_id for message_id in message_ids if purged[message_id] and message_id not in known
    ]
    tallies: Select[Any] = (
        select(*TALLY.c["message_id", "mode", "status"], func.sum(TALLY.c.deliveries))
        .where(any_of(TALLY.c.message_id, gone), ~TALLY.c.is_duplicate)
        .group_by(*TALLY.c["message_id", "mode", "status"])
    )
    for message_id, mode, status, count in await connection.execute(tallies):
        key = FigureKey(message_id, mode.value, NO_GATEWAY, status.value, NO_DELAY)
        counts[key] = count
    filled = [(*key, count) for key, count in counts.items()]
    await insert_rows(connection, FIGURE, filled, columns=_COLUMNS)
    await mark_changed(connection, message_ids)
