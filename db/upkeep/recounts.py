"""The statements that recompute counters and flags from the rows, and return the differences.

Each returns, for a range of messages, rows of message, what, stored value and counted value.
"""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Boolean, Integer, String, TextualSelect, column, text
from sqlalchemy.types import TypeEngine

from db.dispatch.mode_spans import SETTLED
from db.log.counters import NO_CODE
from db.sql.column_types import Instant
from domain.call_status import SUCCESSES
from domain.status import OPEN, PHONE_MODES, DeliveryStatus


def _recount(kind: TypeEngine[Any] | type[TypeEngine[Any]], statement: str) -> TextualSelect:
    """Return the statement with its result columns; stored and counted values have the type `kind`."""
    return text(f"{statement} LIMIT :most").columns(
        column("message", String),
        column("what", String),
        column("stored", kind),
        column("counted", kind),
    )


def _listed(statuses: Iterable[str]) -> str:
    return ", ".join(f"'{status}'" for status in sorted(statuses))


_RANGE: Final = "message_id > :after AND message_id <= :until"
_RANGE_OF_D: Final = "d.message_id > :after AND d.message_id <= :until"
_RANGE_OF_R: Final = "r.message_id > :after AND r.message_id <= :until"
_WHOLE: Final = "m.id > :after AND m.id <= :until AND m.purged_at IS NULL"
"""Purged messages are left out: they keep their figures, but not the rows to count them from."""
_PHONES: Final = f"d.mode IN ({_listed(PHONE_MODES)})"
_HANDED_OVER: Final = _listed(SETTLED | {DeliveryStatus.IN_PROGRESS})

_CONTACTED: Final = f"""
    reached AS (
        SELECT DISTINCT d.message_id, d.address_id
        FROM delivery d
        WHERE {_RANGE_OF_D} AND {_PHONES}
            AND (d.confirmed OR d.call_status IN ({", ".join(map(str, sorted(SUCCESSES)))}))
    ),
    contacted AS (
        SELECT DISTINCT r.message_id, r.person_id
        FROM reached h
        JOIN delivery d ON d.message_id = h.message_id AND d.address_id = h.address_id AND {_PHONES}
        JOIN recipient r ON r.message_id = d.message_id AND r.number = d.recipient_number
    )
"""
"""One call to a number reaches all people who share it."""

_PEOPLE: Final = f"""
    SELECT m.external_id AS message, 'people' AS what, m.people AS stored, coalesce(c.people, 0) AS counted
    FROM message m
    LEFT JOIN (
        SELECT message_id, count(DISTINCT person_id) AS people FROM recipient WHERE {_RANGE} GROUP BY message_id
    ) c ON c.message_id = m.id
    WHERE {_WHOLE} AND m.people <> coalesce(c.people, 0)
"""

_WITHOUT_DEVICE: Final = f"""
    SELECT m.external_id AS message, 'people_without_device' AS what, m.people_without_device AS stored,
        coalesce(c.people, 0) AS counted
    FROM message m
    LEFT JOIN (
        SELECT message_id, count(*) AS people
        FROM (
            SELECT r.message_id, r.person_id
            FROM recipient r
            LEFT JOIN delivery d ON d.message_id = r.message_id AND d.recipient_number = r.number
            WHERE {_RANGE_OF_R}
            GROUP BY r.message_id, r.person_id
            HAVING count(d.number) = 0
        ) unarmed
        GROUP BY message_id
    ) c ON c.message_id = m.id
    WHERE {_WHOLE} AND m.people_without_device <> coalesce(c.people, 0)
"""

_PEOPLE_CONTACTED: Final = f"""
    WITH {_CONTACTED}
    SELECT m.external_id AS message, 'people_contacted' AS what, m.people_contacted AS stored,
        coalesce(c.people, 0) AS counted
    FROM message m
    LEFT JOIN (
        SELECT message_id, count(*) AS people FROM contacted GROUP BY message_id
    ) c ON c.message_id = m.id
    WHERE {_WHOLE} AND m.people_contacted <> coalesce(c.people, 0)
"""

_RECIPIENTS_CONTACTED: Final = f"""
    WITH {_CONTACTED}
    SELECT m.external_id AS message, 'contacted, recipient ' || r.number AS what, r.contacted AS stored,
        c.person_id IS NOT NULL AS counted
    FROM recipient r
    JOIN message m ON m.id = r.message_id
    LEFT JOIN contacted c ON c.message_id = r.message_id AND c.person_id = r.person_id
    WHERE {_RANGE_OF_R} AND m.purged_at IS NULL AND r.contacted <> (c.person_id IS NOT NULL)
    ORDER BY r.message_id, r.number
"""

_REPEATS: Final = f"""
    SELECT m.external_id AS message, 'is_repeat, recipient ' || r.number AS what, r.stored, r.counted
    FROM (
        SELECT message_id, number, is_repeat AS stored,
            row_number() OVER (PARTITION BY message_id, person_id ORDER BY number) > 1 AS counted
        FROM recipient
        WHERE {_RANGE}
    ) r
    JOIN message m ON m.id = r.message_id
    WHERE m.purged_at IS NULL AND r.stored <> r.counted
    ORDER BY r.message_id, r.number
"""

_DUPLICATES: Final = f"""
    SELECT m.external_id AS message,
        'is_duplicate, recipient ' || d.recipient_number || ' delivery ' || d.number AS what, d.stored, d.counted
    FROM (
        SELECT message_id, recipient_number, number, is_duplicate AS stored, row_number() OVER (
            PARTITION BY message_id, mode, address_id ORDER BY recipient_number, number
        ) > 1 AS counted
        FROM delivery
        WHERE {_RANGE}
    ) d
    JOIN message m ON m.id = d.message_id
    WHERE m.purged_at IS NULL AND d.stored <> d.counted
    ORDER BY d.message_id, d.recipient_number, d.number
"""

_TALLIES: Final = f"""
    SELECT m.external_id AS message,
        'tally ' || t.mode || ' ' || t.status
            || CASE WHEN t.code = {NO_CODE} THEN '' ELSE ' code ' || t.code END
            || CASE WHEN t.is_duplicate THEN ' duplicates' ELSE '' END AS what,
        t.stored, t.counted
    FROM (
        SELECT message_id, mode, status, code, is_duplicate, sum(stored) AS stored, sum(counted) AS counted
        FROM (
            SELECT message_id, mode, status, call_status AS code, is_duplicate, deliveries AS stored, 0 AS counted
            FROM tally
            WHERE {_RANGE}
            UNION ALL
            SELECT message_id, mode, status, coalesce(call_status, {NO_CODE}), is_duplicate, 0, count(*)
            FROM delivery
            WHERE {_RANGE}
            GROUP BY message_id, mode, status, coalesce(call_status, {NO_CODE}), is_duplicate
        ) both_ways
        GROUP BY message_id, mode, status, code, is_duplicate
    ) t
    JOIN message m ON m.id = t.message_id
    WHERE m.purged_at IS NULL AND t.stored <> t.counted
    ORDER BY t.message_id, what
"""

# A recorded delivery has only the time of its last change; one that was sent from here also has that of its first attempt.
# Of the latter a span may be wider than the rows: a resend overwrites the outcome of the delivery, but not the span.
_SPANS: Final = f"""
    WITH counted AS (
        SELECT d.message_id, d.mode, min(CASE WHEN m.is_recorded THEN d.at ELSE d.first_at END) AS started_at,
            max(CASE WHEN d.status IN ({_listed(SETTLED)}) THEN d.at END) AS ended_at
        FROM delivery d
        JOIN message m ON m.id = d.message_id
        WHERE {_RANGE_OF_D} AND NOT d.is_duplicate AND d.status IN ({_HANDED_OVER})
            AND NOT (d.status = 'FAILED' AND d.attempts = 0)
        GROUP BY d.message_id, d.mode
    ),
    kept AS (
        SELECT message_id, mode FROM counted
        UNION
        SELECT message_id, mode FROM span WHERE {_RANGE}
    ),
    edges AS (
        SELECT k.message_id, k.mode, 'start' AS edge, s.started_at AS stored, c.started_at AS counted
        FROM kept k
        LEFT JOIN span s ON s.message_id = k.message_id AND s.mode = k.mode
        LEFT JOIN counted c ON c.message_id = k.message_id AND c.mode = k.mode
        UNION ALL
        SELECT k.message_id, k.mode, 'end', s.ended_at, c.ended_at
        FROM kept k
        LEFT JOIN span s ON s.message_id = k.message_id AND s.mode = k.mode
        LEFT JOIN counted c ON c.message_id = k.message_id AND c.mode = k.mode
    )
    SELECT m.external_id AS message, 'span ' || e.mode || ' ' || e.edge AS what, e.stored, e.counted
    FROM edges e
    JOIN message m ON m.id = e.message_id
    WHERE m.purged_at IS NULL AND CASE
        WHEN e.stored IS NULL THEN e.counted IS NOT NULL
        WHEN e.counted IS NULL THEN m.is_recorded
        WHEN m.is_recorded THEN e.stored <> e.counted
        WHEN e.edge = 'start' THEN e.stored > e.counted
        ELSE e.stored < e.counted
    END
    ORDER BY e.message_id, what
"""

# The opposite difference is harmless: the scan for due work reads one message too many.
_WRONGLY_CLOSED: Final = f"""
    SELECT m.external_id AS message, 'has_open' AS what, m.has_open AS stored, NOT m.has_open AS counted
    FROM message m
    WHERE m.id > :after AND m.id <= :until AND NOT m.has_open AND NOT m.is_recorded AND EXISTS (
        SELECT 1 FROM delivery d
        WHERE d.message_id = m.id AND NOT d.is_duplicate AND d.status IN ({_listed(OPEN)})
    )
    ORDER BY m.id
"""

# A running or interrupted purge may leave some, which the next one removes.
_ROWS_AFTER_PURGE: Final = f"""
    SELECT m.external_id AS message, 'recipients after its purge' AS what, 0 AS stored, c.recipients AS counted
    FROM message m
    JOIN (
        SELECT message_id, count(*) AS recipients FROM recipient WHERE {_RANGE} GROUP BY message_id
    ) c ON c.message_id = m.id
    WHERE m.purged_at IS NOT NULL AND m.id NOT IN (SELECT message_id FROM purge)
    ORDER BY m.id
"""

RECOUNTS: Final = (
    _recount(Integer, _PEOPLE),
    _recount(Integer, _WITHOUT_DEVICE),
    _recount(Integer, _PEOPLE_CONTACTED),
    _recount(Boolean, _RECIPIENTS_CONTACTED),
    _recount(Boolean, _REPEATS),
    _recount(Boolean, _DUPLICATES),
    _recount(Integer, _TALLIES),
    _recount(Instant, _SPANS),
    _recount(Boolean, _WRONGLY_CLOSED),
    _recount(Integer, _ROWS_AFTER_PURGE),
)
"""Each takes the parameters `after` and `until`, a range of ids (after, until], and `most`, the limit of rows."""
