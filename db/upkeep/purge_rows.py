"""Removes the recipients of a closed message from the log in small steps.

Each step runs in the caller's transaction and is idempotent. People and addresses are removed with the last row that
refers to them. `db.upkeep.purge` finds and closes the messages.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, func, literal, not_, select, text, tuple_, update

from db.derived.addresses import states
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.key_lists import any_of, is_there
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import ADDRESS, DELIVERY, DELIVERY_EVENT, PERSON, PERSON_NAME, RECIPIENT
from domain.people import Role

MERGED_AT_ONCE: Final = 200
"""The pages of a SQLite text index that one step merges."""

_TEXT_INDEXES: Final = ("person_name_trigrams", "address_trigrams", "content_words")


async def remove_deliveries(connection: WriteConnection, message_id: int, *, most: int) -> int:
    """Remove the next deliveries of a message with their events; return how many, 0 if there are none.

    Also removes addresses without other deliveries, unless they opted out of texts, which must be remembered for ever.
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
    addresses = sorted({row.address_id for row in rows})
    await states.recount(connection, await states.with_rows(connection, addresses))
    await connection.execute(
        delete(ADDRESS).where(
            any_of(ADDRESS.c.id, addresses),
            ADDRESS.c.opted_out_at.is_(None),
            not_(is_there(select(literal(1)).where(DELIVERY.c.address_id == ADDRESS.c.id))),
        )
    )
    # An address that opted out stays, but not what somebody noted about it.
    of_address = DELIVERY.c.address_id == ADDRESS_FAILURES.c.address_id
    await connection.execute(
        update(ADDRESS_FAILURES)
        .where(
            any_of(ADDRESS_FAILURES.c.address_id, addresses),
            ADDRESS_FAILURES.c.note.is_not(None),
            not_(is_there(select(literal(1)).where(of_address))),
        )
        .values(note=None)
    )
    return len(rows)


async def remove_recipients(connection: WriteConnection, message_id: int, *, most: int) -> int:
    """Remove the next recipients of a message, whose deliveries are removed already; return how many, 0 if there are none.

    Also removes people who are in no other list, and the names of the others that are in no other list.
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
    removed = await _in_no_list(connection, sorted(listed))
    await _remove_people(connection, removed)
    await _remove_names(connection, sorted(listed - set(removed)))
    return len(rows)


async def tidy(connection: ReadConnection, *, is_first: bool) -> bool:
    """Merge a part of SQLite's text indexes, to drop deleted terms; return whether more is left to merge.

    An FTS5 index keeps deleted terms until it is merged. On PostgreSQL, VACUUM removes them.
    """
    if connection.dialect.name != "sqlite":
        return False
    more = False
    for index in _TEXT_INDEXES:
        before = await connection.scalar(_CHANGES)
        # The first time a negative number, which merges all segments of the index, however few they are (FTS5, "merge").
        pages = -MERGED_AT_ONCE if is_first else MERGED_AT_ONCE
        await connection.exec_driver_sql(
            f"INSERT INTO {index} ({index}, rank) VALUES ('merge', {pages})"
        )
        after = await connection.scalar(_CHANGES)
        more |= (
            after - before >= 2
        )  # from the FTS5 documentation: fewer changes mean that nothing was merged
    return more


async def write_through(connection: ReadConnection) -> None:
    """Checkpoint and truncate SQLite's WAL, which still has the removed rows. Call it first in a transaction.

    If another connection reads, a later checkpoint does it.
    """
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


_CHANGES: Final = text("SELECT total_changes()")


async def _in_no_list(connection: ReadConnection, people: Sequence[int]) -> Sequence[int]:
    as_recipient = select(literal(1)).where(RECIPIENT.c.person_id == PERSON.c.id)
    as_student = select(literal(1)).where(RECIPIENT.c.student_id == PERSON.c.id)
    statement = select(PERSON.c.id).where(
        any_of(PERSON.c.id, people), not_(is_there(as_recipient)), not_(is_there(as_student))
    )
    return (await connection.scalars(statement)).all()


async def _remove_people(connection: WriteConnection, people: Sequence[int]) -> None:
    if not people:
        return
    await connection.execute(delete(PERSON_NAME).where(any_of(PERSON_NAME.c.person_id, people)))
    last = None
    if connection.dialect.name == "sqlite":
        # SQLite would reuse the greatest id for another person, but the audit refers to people by their ids.
        last = await connection.scalar(select(func.max(PERSON.c.id)))
        await connection.execute(
            update(PERSON)
            .where(PERSON.c.id == last, any_of(PERSON.c.id, people))
            .values(name="", external_id=literal("purged ").concat(PERSON.c.id))
        )
    await connection.execute(
        delete(PERSON).where(any_of(PERSON.c.id, [id for id in people if id != last]))
    )


async def _remove_names(connection: WriteConnection, people: Sequence[int]) -> None:
    """Remove the names of these people that are in no remaining list."""
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
    for role, id_column, name_column in (
        (Role.CONTACT, RECIPIENT.c.person_id, RECIPIENT.c.name),
        (Role.STUDENT, RECIPIENT.c.student_id, RECIPIENT.c.student_name),
    ):
        newest = (
            select(name_column)
            .where(id_column == PERSON.c.id)
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
