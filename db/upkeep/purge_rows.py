"""How the recipients of a closed message leave the log, a small step at a time.

Each step is done in the caller's transaction, and does no harm when it is done again. Who and what nothing refers to any more
leaves with the last row that did. Which messages those are is in `db.upkeep.purge`.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, func, literal, not_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.sql.key_lists import any_of, is_there
from db.tables.log import ADDRESS, DELIVERY, DELIVERY_EVENT, PERSON, PERSON_NAME, RECIPIENT
from domain.people import Role

MERGED_AT_ONCE: Final = 200
"""Pages of a text index of SQLite that one step makes anew."""

_TEXT_INDEXES: Final = ("person_name_trigrams", "address_trigrams")


async def remove_deliveries(connection: AsyncConnection, message_id: int, *, most: int) -> int:
    """Remove the next deliveries of a message with all that happened to them, and how many that were; 0: there are none.

    An address to which nothing else was sent goes too, unless it asked for no more texts: that is to be heeded for ever.
    """
    place = (DELIVERY.c.recipient_number, DELIVERY.c.number)
    rows = (
        await connection.execute(
            select(*place, DELIVERY.c.address_id)
            .where(DELIVERY.c.message_id == message_id)
            .order_by(*place)
            .limit(most)
        )
    ).all()
    if not rows:
        return 0
    last = tuple_(literal(rows[-1].recipient_number), literal(rows[-1].number))
    event_place = (DELIVERY_EVENT.c.recipient_number, DELIVERY_EVENT.c.delivery_number)
    await connection.execute(
        delete(DELIVERY_EVENT).where(
            DELIVERY_EVENT.c.message_id == message_id, tuple_(*event_place) <= last
        )
    )
    await connection.execute(
        delete(DELIVERY).where(DELIVERY.c.message_id == message_id, tuple_(*place) <= last)
    )
    await connection.execute(
        delete(ADDRESS).where(
            any_of(ADDRESS.c.id, sorted({row.address_id for row in rows})),
            ADDRESS.c.opted_out_at.is_(None),
            not_(is_there(select(literal(1)).where(DELIVERY.c.address_id == ADDRESS.c.id))),
        )
    )
    return len(rows)


async def remove_recipients(connection: AsyncConnection, message_id: int, *, most: int) -> int:
    """Remove the next recipients of a message, which have no deliveries any more, and how many that were; 0: there are none.

    People who stand in no other list go too, and of those who stay the names that no list knows any more.
    """
    rows = (
        await connection.execute(
            select(RECIPIENT.c.number, RECIPIENT.c.person_id, RECIPIENT.c.student_id)
            .where(RECIPIENT.c.message_id == message_id)
            .order_by(RECIPIENT.c.number)
            .limit(most)
        )
    ).all()
    if not rows:
        return 0
    await connection.execute(
        delete(RECIPIENT).where(
            RECIPIENT.c.message_id == message_id, RECIPIENT.c.number <= rows[-1].number
        )
    )
    listed = {row.person_id for row in rows} | {row.student_id for row in rows} - {None}
    gone = await _in_no_list(connection, sorted(listed))
    await _remove_people(connection, gone)
    await _forget_names(connection, sorted(listed - set(gone)))
    return len(rows)


async def tidy(connection: AsyncConnection, *, is_first: bool) -> bool:
    """Make a part of SQLite's text indexes anew, without what left them, and whether there is more to do.

    An index notes what left it, and keeps it until it is merged. PostgreSQL sees to that when it vacuums.
    """
    if connection.dialect.name != "sqlite":
        return False
    more = False
    for index in _TEXT_INDEXES:
        before = await connection.scalar(_CHANGES)
        # A negative figure first: it takes all parts of the index together, however few they are (FTS5, "merge").
        pages = -MERGED_AT_ONCE if is_first else MERGED_AT_ONCE
        await connection.exec_driver_sql(
            f"INSERT INTO {index} ({index}, rank) VALUES ('merge', {pages})"
        )
        after = await connection.scalar(_CHANGES)
        more |= after - before >= 2  # as FTS5 tells it: fewer changes are none
    return more


async def write_through(connection: AsyncConnection) -> None:
    """Have SQLite write its log of changes into the file, and empty it: it has the rows as they were. First in a transaction.

    Not while somebody else reads: then it is done by whoever writes later.
    """
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


_CHANGES: Final = text("SELECT total_changes()")


async def _in_no_list(connection: AsyncConnection, people: Sequence[int]) -> Sequence[int]:
    as_recipient = select(literal(1)).where(RECIPIENT.c.person_id == PERSON.c.id)
    as_student = select(literal(1)).where(RECIPIENT.c.student_id == PERSON.c.id)
    statement = select(PERSON.c.id).where(
        any_of(PERSON.c.id, people), not_(is_there(as_recipient)), not_(is_there(as_student))
    )
    return (await connection.scalars(statement)).all()


async def _remove_people(connection: AsyncConnection, people: Sequence[int]) -> None:
    if not people:
        return
    await connection.execute(delete(PERSON_NAME).where(any_of(PERSON_NAME.c.person_id, people)))
    last = None
    if connection.dialect.name == "sqlite":
        # It would give the greatest id again, to somebody else: and the audit tells by that id who was looked at.
        last = await connection.scalar(select(func.max(PERSON.c.id)))
        await connection.execute(
            update(PERSON)
            .where(PERSON.c.id == last, any_of(PERSON.c.id, people))
            .values(name="", external_id=literal("purged ").concat(PERSON.c.id))
        )
    await connection.execute(
        delete(PERSON).where(any_of(PERSON.c.id, [id for id in people if id != last]))
    )


async def _forget_names(connection: AsyncConnection, people: Sequence[int]) -> None:
    """Forget under which names these people stood in no other list than those removed."""
    if not people:
        return
    key, name = RECIPIENT.c.key, PERSON_NAME.c.key
    as_recipient = select(literal(1)).where(
        RECIPIENT.c.person_id == PERSON_NAME.c.person_id,
        func.substr(key, 1, func.length(name) + 1) == name.concat("\n"),
    )
    as_student = select(literal(1)).where(
        RECIPIENT.c.student_id == PERSON_NAME.c.person_id,
        func.substr(key, func.length(key) - func.length(name)) == literal("\n").concat(name),
    )
    await connection.execute(
        delete(PERSON_NAME).where(
            any_of(PERSON_NAME.c.person_id, people),
            not_(is_there(as_recipient)),
            not_(is_there(as_student)),
        )
    )
    for role, of, said in (
        (Role.CONTACT, RECIPIENT.c.person_id, RECIPIENT.c.name),
        (Role.STUDENT, RECIPIENT.c.student_id, RECIPIENT.c.student_name),
    ):
        newest = (
            select(said)
            .where(of == PERSON.c.id)
            .order_by(RECIPIENT.c.message_id.desc(), RECIPIENT.c.number.desc())
            .limit(1)
            .correlate(PERSON)
            .scalar_subquery()
        )
        await connection.execute(
            update(PERSON)
            .where(any_of(PERSON.c.id, people), PERSON.c.role == role, PERSON.c.name != newest)
            .values(name=func.coalesce(newest, PERSON.c.name))
        )
