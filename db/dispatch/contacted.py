"""The "contacted by phone" flags of recipients, updated when deliveries change.

`domain.counting` has the rule for what counts as reached.
"""

from collections.abc import Sequence, Set
from typing import Final

from sqlalchemy import and_, literal, or_, select, update

from db.dispatch.in_flight import LiveDelivery
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.index_hints import by_index
from db.sql.key_lists import any_of, is_there
from db.tables.log import DELIVERY, RECIPIENT
from domain.call_status import SUCCESSES
from domain.counting import is_reached
from domain.modes import PHONE_MODES
from domain.status import DeliveryMode

_PHONES: Final = sorted(PHONE_MODES)
# With index hints below: without one, SQLite reads all recipients, or all deliveries, of the message for each change.
_OF_RECIPIENT: Final = and_(
    DELIVERY.c.message_id == RECIPIENT.c.message_id,
    DELIVERY.c.recipient_number == RECIPIENT.c.number,
)


async def update_flags(
    connection: WriteConnection,
    message_id: int,
    moves: Sequence[tuple[LiveDelivery, LiveDelivery]],
    *,
    modes: Set[DeliveryMode],
) -> int:
    """Update the flags of people with changed deliveries; return the difference in the number of people contacted.

    A person may have several numbers and share them, so everybody with a changed number is checked. `modes` are those of
    the message; `moves` include the duplicates of changed deliveries.
    """
    hit, missed = set[int](), set[int]()
    for before, after in moves:
        if (is_hit := _is_hit(after)) != _is_hit(before):
            (hit if is_hit else missed).add(after.address_id)
    changed = [after for _, after in moves if after.mode in PHONE_MODES]
    # If so, `moves` has all deliveries to these numbers.
    is_all = len(PHONE_MODES & modes) == 1 and (hit | missed) <= {
        after.address_id for after in changed if not after.is_duplicate
    }

    async def flags(numbers: set[int]) -> dict[int, bool]:
        if not numbers:
            return {}
        if is_all:
            listed = [one.recipient_number for one in changed if one.address_id in numbers]
            return await _flags_of(connection, message_id, sorted(set(listed)))
        return await _flags(connection, message_id, sorted(numbers))

    # Everybody with a number that was reached now is contacted. People with a number that no longer is may have another.
    gained = [person for person, flag in (await flags(hit)).items() if not flag]
    marked = sorted(person for person, flag in (await flags(missed)).items() if flag)
    reached = await _reached(connection, message_id, marked) if marked else set()
    lost = [person for person in marked if person not in reached]
    for people, flag in ((gained, True), (lost, False)):
        if people:
            await connection.execute(
                update(RECIPIENT)
                .where(RECIPIENT.c.message_id == message_id, any_of(RECIPIENT.c.person_id, people))
                .values(contacted=flag)
            )
    return len(gained) - len(lost)


def _is_hit(delivery: LiveDelivery) -> bool:
    return delivery.mode in PHONE_MODES and is_reached(delivery.call_status, delivery.confirmed)


async def _flags(
    connection: ReadConnection, message_id: int, numbers: Sequence[int]
) -> dict[int, bool]:
    """Return the people with one of these numbers, and their flags."""
    statement = (
        select(RECIPIENT.c.person_id, RECIPIENT.c.contacted)
        .join(DELIVERY, _OF_RECIPIENT)
        .with_hint(DELIVERY, by_index("delivery_to_address"), "sqlite")
        .where(
            DELIVERY.c.message_id == message_id,
            any_of(DELIVERY.c.address_id, numbers),
            DELIVERY.c.mode.in_(_PHONES),
        )
    )
    return {row.person_id: row.contacted for row in await connection.execute(statement)}


async def _flags_of(
    connection: ReadConnection, message_id: int, numbers: Sequence[int]
) -> dict[int, bool]:
    """Return the people at these places of the list, and their flags."""
    statement = select(RECIPIENT.c.person_id, RECIPIENT.c.contacted).where(
        RECIPIENT.c.message_id == message_id, any_of(RECIPIENT.c.number, numbers)
    )
    return {row.person_id: row.contacted for row in await connection.execute(statement)}


async def _reached(connection: ReadConnection, message_id: int, people: Sequence[int]) -> set[int]:
    """Return those of these people with a number that any delivery reached."""
    hit = DELIVERY.alias("hit")
    # A join would read all deliveries of the message that reached anybody.
    reached = is_there(
        select(literal(1)).where(
            hit.c.message_id == message_id,
            hit.c.address_id == DELIVERY.c.address_id,
            hit.c.mode.in_(_PHONES),
            or_(hit.c.confirmed, hit.c.call_status.in_(sorted(SUCCESSES))),
        )
    )
    statement = (
        select(RECIPIENT.c.person_id)
        .distinct()
        .join(DELIVERY, _OF_RECIPIENT)
        .with_hint(RECIPIENT, by_index("recipient_of_person"), "sqlite")
        .where(
            RECIPIENT.c.message_id == message_id,
            any_of(RECIPIENT.c.person_id, people),
            DELIVERY.c.mode.in_(_PHONES),
            reached,
        )
    )
    return set(await connection.scalars(statement))
