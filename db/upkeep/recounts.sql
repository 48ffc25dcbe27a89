-- Counters and flags that differ from the rows of their messages: message, what, stored and counted value; on both engines.
--
-- Parameters: a range of message ids (:after, :until], and :most, the largest number of differences to return. 32767 is
-- `db.log.counters.NO_CODE`. Purged messages are left out: they keep their figures, but not the rows to count them from.

-- values: integer
SELECT m.external_id AS message, 'people' AS what, m.people AS stored, coalesce(c.people, 0) AS counted
FROM message m
LEFT JOIN (
    SELECT message_id, count(DISTINCT person_id) AS people
    FROM recipient
    WHERE message_id > :after AND message_id <= :until
    GROUP BY message_id
) c ON c.message_id = m.id
WHERE m.id > :after AND m.id <= :until AND m.purged_at IS NULL AND m.people <> coalesce(c.people, 0)
LIMIT :most;

-- values: integer
SELECT m.external_id AS message, 'people_without_device' AS what, m.people_without_device AS stored,
    coalesce(c.people, 0) AS counted
FROM message m
LEFT JOIN (
    SELECT message_id, count(*) AS people
    FROM (
        SELECT r.message_id, r.person_id
        FROM recipient r
        LEFT JOIN delivery d ON d.message_id = r.message_id AND d.recipient_number = r.number
        WHERE r.message_id > :after AND r.message_id <= :until
        GROUP BY r.message_id, r.person_id
        HAVING count(d.number) = 0
    ) unarmed
    GROUP BY message_id
) c ON c.message_id = m.id
WHERE m.id > :after AND m.id <= :until AND m.purged_at IS NULL AND m.people_without_device <> coalesce(c.people, 0)
LIMIT :most;

-- One call to a number reaches all people who share it.
-- values: integer
WITH
reached AS (
    SELECT DISTINCT d.message_id, d.address_id
    FROM delivery d
    WHERE d.message_id > :after AND d.message_id <= :until AND d.mode IN ('TEXT', 'VOICE')
        AND (d.confirmed OR d.call_status IN (-28, -27, 5, 6, 13))
),
contacted AS (
    SELECT DISTINCT r.message_id, r.person_id
    FROM reached h
    JOIN delivery d ON d.message_id = h.message_id AND d.address_id = h.address_id AND d.mode IN ('TEXT', 'VOICE')
    JOIN recipient r ON r.message_id = d.message_id AND r.number = d.recipient_number
)
SELECT m.external_id AS message, 'people_contacted' AS what, m.people_contacted AS stored,
    coalesce(c.people, 0) AS counted
FROM message m
LEFT JOIN (
    SELECT message_id, count(*) AS people FROM contacted GROUP BY message_id
) c ON c.message_id = m.id
WHERE m.id > :after AND m.id <= :until AND m.purged_at IS NULL AND m.people_contacted <> coalesce(c.people, 0)
LIMIT :most;

-- values: boolean
SELECT m.external_id AS message, 'has_failures' AS what, m.has_failures AS stored, f.message_id IS NOT NULL AS counted
FROM message m
LEFT JOIN (
    SELECT DISTINCT message_id
    FROM delivery
    WHERE message_id > :after AND message_id <= :until AND status = 'FAILED' AND NOT is_duplicate
) f ON f.message_id = m.id
WHERE m.id > :after AND m.id <= :until AND m.purged_at IS NULL AND m.has_failures <> (f.message_id IS NOT NULL)
LIMIT :most;

-- values: boolean
WITH
reached AS (
    SELECT DISTINCT d.message_id, d.address_id
    FROM delivery d
    WHERE d.message_id > :after AND d.message_id <= :until AND d.mode IN ('TEXT', 'VOICE')
        AND (d.confirmed OR d.call_status IN (-28, -27, 5, 6, 13))
),
contacted AS (
    SELECT DISTINCT r.message_id, r.person_id
    FROM reached h
    JOIN delivery d ON d.message_id = h.message_id AND d.address_id = h.address_id AND d.mode IN ('TEXT', 'VOICE')
    JOIN recipient r ON r.message_id = d.message_id AND r.number = d.recipient_number
)
SELECT m.external_id AS message, 'contacted, recipient ' || r.number AS what, r.contacted AS stored,
    c.person_id IS NOT NULL AS counted
FROM recipient r
JOIN message m ON m.id = r.message_id
LEFT JOIN contacted c ON c.message_id = r.message_id AND c.person_id = r.person_id
WHERE r.message_id > :after AND r.message_id <= :until AND m.purged_at IS NULL
    AND r.contacted <> (c.person_id IS NOT NULL)
ORDER BY r.message_id, r.number
LIMIT :most;

-- values: boolean
SELECT m.external_id AS message, 'is_repeat, recipient ' || r.number AS what, r.stored, r.counted
FROM (
    SELECT message_id, number, is_repeat AS stored,
        row_number() OVER (PARTITION BY message_id, person_id ORDER BY number) > 1 AS counted
    FROM recipient
    WHERE message_id > :after AND message_id <= :until
) r
JOIN message m ON m.id = r.message_id
WHERE m.purged_at IS NULL AND r.stored <> r.counted
ORDER BY r.message_id, r.number
LIMIT :most;

-- values: boolean
SELECT m.external_id AS message,
    'is_duplicate, recipient ' || d.recipient_number || ' delivery ' || d.number AS what, d.stored, d.counted
FROM (
    SELECT message_id, recipient_number, number, is_duplicate AS stored, row_number() OVER (
        PARTITION BY message_id, mode, address_id ORDER BY recipient_number, number
    ) > 1 AS counted
    FROM delivery
    WHERE message_id > :after AND message_id <= :until
) d
JOIN message m ON m.id = d.message_id
WHERE m.purged_at IS NULL AND d.stored <> d.counted
ORDER BY d.message_id, d.recipient_number, d.number
LIMIT :most;

-- values: integer
SELECT m.external_id AS message,
    'tally ' || t.mode || ' ' || t.status
        || CASE WHEN t.code = 32767 THEN '' ELSE ' code ' || t.code END
        || CASE WHEN t.is_duplicate THEN ' duplicates' ELSE '' END AS what,
    t.stored, t.counted
FROM (
    SELECT message_id, mode, status, code, is_duplicate, sum(stored) AS stored, sum(counted) AS counted
    FROM (
        SELECT message_id, mode, status, call_status AS code, is_duplicate, deliveries AS stored, 0 AS counted
        FROM tally
        WHERE message_id > :after AND message_id <= :until
        UNION ALL
        SELECT message_id, mode, status, coalesce(call_status, 32767), is_duplicate, 0, count(*)
        FROM delivery
        WHERE message_id > :after AND message_id <= :until
        GROUP BY message_id, mode, status, coalesce(call_status, 32767), is_duplicate
    ) both_ways
    GROUP BY message_id, mode, status, code, is_duplicate
) t
JOIN message m ON m.id = t.message_id
WHERE m.purged_at IS NULL AND t.stored <> t.counted
ORDER BY t.message_id, what
LIMIT :most;

-- A recorded delivery has only the time of its last change; one that was sent from here also has that of its first attempt.
-- Of the latter a span may be wider than the rows: a resend overwrites the outcome of the delivery, but not the span.
-- values: instant
WITH counted AS (
    SELECT d.message_id, d.mode, min(CASE WHEN m.is_recorded THEN d.at ELSE d.first_at END) AS started_at,
        max(CASE WHEN d.status IN ('DELIVERED', 'FAILED', 'SENT') THEN d.at END) AS ended_at
    FROM delivery d
    JOIN message m ON m.id = d.message_id
    WHERE d.message_id > :after AND d.message_id <= :until AND NOT d.is_duplicate
        AND d.status IN ('DELIVERED', 'FAILED', 'IN_PROGRESS', 'SENT')
        AND NOT (d.status = 'FAILED' AND d.attempts = 0)
    GROUP BY d.message_id, d.mode
),
kept AS (
    SELECT message_id, mode FROM counted
    UNION
    SELECT message_id, mode FROM span WHERE message_id > :after AND message_id <= :until
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
LIMIT :most;

-- The opposite difference is harmless: the scan for due work reads one message too many.
-- values: boolean
SELECT m.external_id AS message, 'has_open' AS what, m.has_open AS stored, NOT m.has_open AS counted
FROM message m
WHERE m.id > :after AND m.id <= :until AND NOT m.has_open AND NOT m.is_recorded AND EXISTS (
    SELECT 1 FROM delivery d
    WHERE d.message_id = m.id AND NOT d.is_duplicate AND d.status IN ('IN_PROGRESS', 'PENDING')
)
ORDER BY m.id
LIMIT :most;

-- A running or interrupted purge may leave some, which the next one removes.
-- values: integer
SELECT m.external_id AS message, 'recipients after its purge' AS what, 0 AS stored, c.recipients AS counted
FROM message m
JOIN (
    SELECT message_id, count(*) AS recipients
    FROM recipient
    WHERE message_id > :after AND message_id <= :until
    GROUP BY message_id
) c ON c.message_id = m.id
WHERE m.purged_at IS NOT NULL AND m.id NOT IN (SELECT message_id FROM purge)
ORDER BY m.id
LIMIT :most;
