"""From the stage into the log: one statement a table, whatever the number of messages.

How lines become staged rows is not decided here, and neither is which of them are refused.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from db import stage
from db.keys import text_any_of
from db.tables import CONTENT, MESSAGE
from db.tallies import NO_CODE

INGEST_LOCK: Final = 0x5E47106
"""PostgreSQL's advisory lock of whoever moves messages into the log; any number that nothing else here uses."""


async def digests(
    connection: AsyncConnection, district_id: int, external_ids: Sequence[str]
) -> Mapping[str, bytes]:
    """The digests of those messages of a district that are in the log, by the sending system's id."""
    statement = (
        select(MESSAGE.c.external_id, CONTENT.c.digest)
        .join(CONTENT, CONTENT.c.message_id == MESSAGE.c.id)
        .where(
            MESSAGE.c.district_id == district_id, text_any_of(MESSAGE.c.external_id, external_ids)
        )
    )
    return {row.external_id: row.digest for row in await connection.execute(statement)}


async def take_lock(connection: AsyncConnection) -> None:
    """Wait until no other transaction moves messages into the log: two uploads of one message must not both go in."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": INGEST_LOCK})


async def staged_in_log(connection: AsyncConnection) -> Sequence[tuple[int, bool]]:
    """The staged messages that are in the log already: their refs, and whether with the same content."""
    rows = await connection.execute(
        text(
            """
            SELECT s.ref, c.digest = s.digest AS same
            FROM staged_message s
            JOIN message m ON m.district_id = s.district_id AND m.external_id = s.external_id
            JOIN content c ON c.message_id = m.id
            """
        )
    )
    return [(row.ref, bool(row.same)) for row in rows]


async def move(connection: AsyncConnection) -> None:
    """Put every message that is whole on the stage into the log, complete with its figures.

    The caller holds the lock, and has taken off the stage what is in the log already.
    """
    if connection.dialect.name == "postgresql":
        for (
            table
        ) in stage.STAGES:  # never analysed by itself: the planner would take them for nearly empty
            await connection.exec_driver_sql(f"ANALYZE {table.name}")
    for statement in _MOVES:
        await connection.execute(statement)


_HAS_OUTCOME: Final = "'SENT', 'DELIVERED', 'FAILED'"
_HANDED_OVER: Final = f"'IN_PROGRESS', {_HAS_OUTCOME}"

# Ids are looked up by scalar subqueries: each is one descent of a unique index, whatever the planner knows of the tables,
# which on the first day is nothing. As joins they took twenty times as long then.
_MOVES: Final = tuple(
    text(statement)
    for statement in (
        # Two people who share a number are both reached by the one call that was made.
        """
        INSERT INTO staged_contacted (ref, person)
        SELECT DISTINCT r.ref, r.person
        FROM (
            SELECT ref, recipient_number, max(CASE WHEN reached THEN 1 ELSE 0 END) OVER (
                PARTITION BY ref, address_key
            ) AS hit
            FROM staged_delivery
            WHERE kind = 'PHONE' AND ref IN (SELECT ref FROM staged_message)
        ) d
        JOIN staged_recipient r ON r.ref = d.ref AND r.number = d.recipient_number
        WHERE d.hit = 1
        """,
        """
        INSERT INTO message (
            district_id, external_id, school_id, school_key, visible_from, status, type_code, type_label, type_key,
            subject, subject_key, sender_id, sender_name, sender_key, created_at, created_text,
            scheduled_at, scheduled_text, schedule_id, schedule_key, source, modes, is_recorded,
            people, people_without_device, people_contacted, revision
        )
        SELECT
            s.district_id, s.external_id, s.school_id, s.school_key, s.visible_from, s.status, s.type_code, s.type_label,
            s.type_key, s.subject, s.subject_key, s.sender_id, s.sender_name, s.sender_key, s.created_at, s.created_text,
            s.scheduled_at, s.scheduled_text, s.schedule_id, s.schedule_key, s.source, s.modes, s.is_recorded,
            coalesce(listed.people, 0), coalesce(listed.people, 0) - coalesce(armed.people, 0),
            coalesce(contacted.people, 0), 1
        FROM staged_message s
        LEFT JOIN (
            SELECT ref, count(DISTINCT person) AS people FROM staged_recipient GROUP BY ref
        ) listed ON listed.ref = s.ref
        LEFT JOIN (
            SELECT r.ref, count(DISTINCT r.person) AS people
            FROM staged_recipient r
            JOIN staged_delivery d ON d.ref = r.ref AND d.recipient_number = r.number
            GROUP BY r.ref
        ) armed ON armed.ref = s.ref
        LEFT JOIN (
            SELECT ref, count(*) AS people FROM staged_contacted GROUP BY ref
        ) contacted ON contacted.ref = s.ref
        ORDER BY s.ref
        """,
        """
        UPDATE staged_message SET message_id = (
            SELECT m.id FROM message m
            WHERE m.district_id = staged_message.district_id AND m.external_id = staged_message.external_id
        )
        """,
        """
        INSERT INTO content (
            message_id, body, body_format, text_body, voice_script, reply_to, filter_criteria, digest
        )
        SELECT message_id, body, body_format, text_body, voice_script, reply_to, filter_criteria, digest
        FROM staged_message
        """,
        """
        INSERT INTO person (district_id, role, external_id, name)
        SELECT district_id, role, external_id, name
        FROM (
            SELECT district_id, role, external_id, name, row_number() OVER (
                PARTITION BY district_id, role, external_id ORDER BY ref DESC, number DESC
            ) AS age
            FROM (
                SELECT s.district_id, 'CONTACT' AS role, r.person AS external_id, r.name, r.ref, r.number
                FROM staged_recipient r JOIN staged_message s ON s.ref = r.ref
                UNION ALL
                SELECT s.district_id, 'STUDENT', r.student, r.student_name, r.ref, r.number
                FROM staged_recipient r JOIN staged_message s ON s.ref = r.ref
                WHERE r.student IS NOT NULL
            ) named
        ) aged
        WHERE age = 1
        ON CONFLICT (district_id, role, external_id) DO UPDATE SET name = excluded.name
        WHERE person.name <> excluded.name
        """,
        """
        INSERT INTO person_name (person_id, key)
        SELECT (
            SELECT p.id FROM person p
            WHERE p.district_id = named.district_id AND p.role = named.role AND p.external_id = named.external_id
        ), named.key
        FROM (
            SELECT s.district_id, 'CONTACT' AS role, r.person AS external_id, r.name_key AS key
            FROM staged_recipient r JOIN staged_message s ON s.ref = r.ref
            UNION
            SELECT s.district_id, 'STUDENT', r.student, r.student_key
            FROM staged_recipient r JOIN staged_message s ON s.ref = r.ref
            WHERE r.student IS NOT NULL
        ) named
        WHERE true
        ON CONFLICT (person_id, key) DO NOTHING
        """,
        """
        INSERT INTO address (district_id, kind, key)
        SELECT DISTINCT s.district_id, d.kind, d.address_key
        FROM staged_delivery d
        JOIN staged_message s ON s.ref = d.ref
        WHERE true
        ON CONFLICT (district_id, kind, key) DO NOTHING
        """,
        """
        INSERT INTO recipient (
            message_id, number, person_id, name, student_id, student_name, key, is_repeat, contacted
        )
        SELECT
            s.message_id, r.number,
            (
                SELECT p.id FROM person p
                WHERE p.district_id = s.district_id AND p.role = 'CONTACT' AND p.external_id = r.person
            ),
            r.name,
            (
                SELECT p.id FROM person p
                WHERE p.district_id = s.district_id AND p.role = 'STUDENT' AND p.external_id = r.student
            ),
            r.student_name, r.name_key || char_lf || coalesce(r.student_key, ''),
            row_number() OVER (PARTITION BY r.ref, r.person ORDER BY r.number) > 1,
            EXISTS (SELECT 1 FROM staged_contacted c WHERE c.ref = r.ref AND c.person = r.person)
        FROM staged_recipient r
        JOIN staged_message s ON s.ref = r.ref
        ORDER BY r.ref, r.number
        """.replace("char_lf", "'\n'"),
        # The second and later deliveries of one mode to one address are duplicates.
        """
        INSERT INTO delivery (
            message_id, recipient_number, number, chunk, mode, address, address_id, is_duplicate, status, call_status,
            confirmed, at, attempts
        )
        SELECT
            s.message_id, d.recipient_number, d.number, d.chunk, d.mode, d.address,
            (SELECT a.id FROM address a WHERE a.district_id = s.district_id AND a.kind = d.kind AND a.key = d.address_key),
            row_number() OVER (
                PARTITION BY d.ref, d.mode, d.address_key ORDER BY d.recipient_number, d.number
            ) > 1,
            d.status, d.call_status, d.confirmed, d.at, d.attempts
        FROM staged_delivery d
        JOIN staged_message s ON s.ref = d.ref
        ORDER BY d.ref, d.recipient_number, d.number
        """,
        f"""
        INSERT INTO tally (message_id, mode, status, call_status, is_duplicate, deliveries)
        SELECT d.message_id, d.mode, d.status, coalesce(d.call_status, {NO_CODE}), d.is_duplicate, count(*)
        FROM staged_message s
        JOIN delivery d ON d.message_id = s.message_id
        GROUP BY d.message_id, d.mode, d.status, coalesce(d.call_status, {NO_CODE}), d.is_duplicate
        """,
        f"""
        INSERT INTO span (message_id, mode, started_at, ended_at)
        SELECT s.message_id, d.mode, min(d.at), max(CASE WHEN d.status IN ({_HAS_OUTCOME}) THEN d.at END)
        FROM staged_message s
        JOIN staged_delivery d ON d.ref = s.ref
        WHERE d.status IN ({_HANDED_OVER})
        GROUP BY s.message_id, d.mode
        """,
        f"""
        INSERT INTO cancellation (
            message_id, requested_at, requested_by_id, requested_by_name, reason, completed_at, stopped, already_sent
        )
        SELECT
            s.message_id, s.canceled_at, s.canceled_by_id, s.canceled_by_name, s.cancel_reason, s.canceled_at,
            coalesce(sum(CASE WHEN t.status = 'CANCELED' THEN t.deliveries ELSE 0 END), 0),
            coalesce(sum(CASE WHEN t.status IN ({_HANDED_OVER}) THEN t.deliveries ELSE 0 END), 0)
        FROM staged_message s
        LEFT JOIN tally t ON t.message_id = s.message_id AND NOT t.is_duplicate
        WHERE s.canceled_at IS NOT NULL
        GROUP BY s.message_id, s.canceled_at, s.canceled_by_id, s.canceled_by_name, s.cancel_reason
        """,
    )
)
