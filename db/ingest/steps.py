"""The statements that move staged messages into the log: one per table, for any number of messages.

`db.ingest.move_in` runs them.
"""

from collections.abc import Sequence
from functools import cache
from typing import Final

from db.ingest import staging_tables
from db.ingest.people_postgresql import BY_FOUND
from db.ingest.people_sqlite import BY_LOOKUP
from db.ingest.step import Move
from db.log.counters import NO_CODE


@cache
def moves(dialect: str) -> Sequence[Move]:
    """Return the steps for `sqlite` or `postgresql`, in order."""
    return (
        *_FINDINGS,
        *_MESSAGES,
        *(BY_LOOKUP if dialect == "sqlite" else BY_FOUND),
        *_EVENTS,
        *_COUNTERS,
    )


# Statements with DISTINCT or a window function run first and store only keys, so that the inserts need neither.

_HAS_OUTCOME: Final = "'SENT', 'DELIVERED', 'FAILED'"
_HANDED_OVER: Final = f"'IN_PROGRESS', {_HAS_OUTCOME}"

_FINDINGS: Final = (
    # One call to a number reaches all people who share it.
    Move(
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
        fills=staging_tables.CONTACTED,
    ),
    Move(
        """
        INSERT INTO staged_repeat (ref, number)
        SELECT ref, number
        FROM (
            SELECT ref, number, row_number() OVER (PARTITION BY ref, person ORDER BY number) AS nth
            FROM staged_recipient
            WHERE ref IN (SELECT ref FROM staged_message)
        ) listed
        WHERE nth > 1
        """,
        fills=staging_tables.REPEATS,
    ),
    # The second and later deliveries of one mode to one address are duplicates. The inner query keeps the sort small. The plus
    # prevents SQLite from using the primary key, which would scan the whole message for each address.
    Move(
        """
        INSERT INTO staged_duplicate (ref, recipient_number, number)
        SELECT ref, recipient_number, number
        FROM (
            SELECT ref, recipient_number, number, row_number() OVER (
                PARTITION BY ref, mode, address_key ORDER BY recipient_number, number
            ) AS nth
            FROM staged_delivery
            WHERE (+ref, mode, address_key) IN (
                SELECT ref, mode, address_key
                FROM staged_delivery
                WHERE ref IN (SELECT ref FROM staged_message)
                GROUP BY ref, mode, address_key
                HAVING count(*) > 1
            )
        ) addressed
        WHERE nth > 1
        """,
        fills=staging_tables.DUPLICATES,
    ),
)

_MESSAGES: Final = (
    Move(
        """
        INSERT INTO message (
            district_id, external_id, school_id, school_key, visible_from, status, type_code, type_label, type_key,
            category, subject, subject_key, sender_id, sender_name, sender_key, created_at, created_text,
            scheduled_at, scheduled_text, schedule_id, schedule_key, source, modes, is_recorded, has_open,
            people, people_without_device, people_contacted, revision
        )
        SELECT
            s.district_id, s.external_id, s.school_id, (SELECT k.key FROM school k WHERE k.id = s.school_id),
            s.visible_from, s.status, s.type_code, s.type_label, s.type_key, s.category, s.subject, s.subject_key, s.sender_id,
            s.sender_name, s.sender_key, s.created_at, s.created_text, s.scheduled_at, s.scheduled_text, s.schedule_id,
            s.schedule_key, s.source, s.modes, s.is_recorded, s.has_open,
            coalesce(listed.people, 0), coalesce(listed.people, 0) - coalesce(listed.armed, 0),
            coalesce(contacted.people, 0), 1
        FROM staged_message s
        LEFT JOIN (
            SELECT ref, count(DISTINCT person) AS people, count(DISTINCT CASE WHEN devices > 0 THEN person END) AS armed
            FROM staged_recipient
            GROUP BY ref
        ) listed ON listed.ref = s.ref
        LEFT JOIN (
            SELECT ref, count(*) AS people FROM staged_contacted GROUP BY ref
        ) contacted ON contacted.ref = s.ref
        ORDER BY s.ref
        """
    ),
    Move(
        """
        UPDATE staged_message SET message_id = (
            SELECT m.id FROM message m
            WHERE m.district_id = staged_message.district_id AND m.external_id = staged_message.external_id
        )
        """
    ),
    Move(
        """
        INSERT INTO content (
            message_id, body, body_format, text_body, voice_script, reply_to, filter_criteria, digest
        )
        SELECT message_id, body, body_format, text_body, voice_script, reply_to, filter_criteria, digest
        FROM staged_message
        """
    ),
)

_EVENTS: Final = (
    Move(
        """
        INSERT INTO delivery_event (
            message_id, recipient_number, delivery_number, at, status, call_status, source, detail
        )
        SELECT s.message_id, f.recipient_number, f.number, f.at, 'FAILED', f.call_status, 'IMPORT', f.reason
        FROM staged_failure f
        JOIN staged_message s ON s.ref = f.ref
        """
    ),
)

_COUNTERS: Final = (
    Move(
        f"""
        INSERT INTO tally (message_id, mode, status, call_status, is_duplicate, deliveries)
        SELECT d.message_id, d.mode, d.status, coalesce(d.call_status, {NO_CODE}), d.is_duplicate, count(*)
        FROM staged_message s
        JOIN delivery d ON d.message_id = s.message_id
        GROUP BY d.message_id, d.mode, d.status, coalesce(d.call_status, {NO_CODE}), d.is_duplicate
        """
    ),
    Move(
        f"""
        INSERT INTO span (message_id, mode, started_at, ended_at)
        SELECT d.message_id, d.mode, min(d.at), max(CASE WHEN d.status IN ({_HAS_OUTCOME}) THEN d.at END)
        FROM staged_message s
        JOIN delivery d ON d.message_id = s.message_id
        WHERE d.status IN ({_HANDED_OVER}) AND NOT (d.status = 'FAILED' AND d.attempts = 0) AND NOT d.is_duplicate
        GROUP BY d.message_id, d.mode
        """
    ),
    Move(
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
        """
    ),
)
