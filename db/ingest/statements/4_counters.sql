-- Events of deliveries that failed at import, tallies, spans and cancellations, on both engines.
-- 32767 is `db.log.counters.NO_CODE`.

INSERT INTO delivery_event (
    message_id, recipient_number, delivery_number, at, status, call_status, source, detail
)
SELECT s.message_id, f.recipient_number, f.number, f.at, 'FAILED', f.call_status, 'IMPORT', f.reason
FROM staged_failure f
JOIN staged_message s ON s.ref = f.ref;

INSERT INTO tally (message_id, mode, status, call_status, is_duplicate, deliveries)
SELECT d.message_id, d.mode, d.status, coalesce(d.call_status, 32767), d.is_duplicate, count(*)
FROM staged_message s
JOIN delivery d ON d.message_id = s.message_id
GROUP BY d.message_id, d.mode, d.status, coalesce(d.call_status, 32767), d.is_duplicate;

INSERT INTO span (message_id, mode, started_at, ended_at)
SELECT d.message_id, d.mode, min(d.at), max(CASE WHEN d.status IN ('SENT', 'DELIVERED', 'FAILED') THEN d.at END)
FROM staged_message s
JOIN delivery d ON d.message_id = s.message_id
WHERE d.status IN ('IN_PROGRESS', 'SENT', 'DELIVERED', 'FAILED')
    AND NOT (d.status = 'FAILED' AND d.attempts = 0)
    AND NOT d.is_duplicate
GROUP BY d.message_id, d.mode;

INSERT INTO cancellation (
    message_id, requested_at, requested_by_id, requested_by_name, reason, completed_at, stopped, already_sent
)
SELECT
    s.message_id, s.canceled_at, s.canceled_by_id, s.canceled_by_name, s.cancel_reason, s.canceled_at,
    coalesce(sum(CASE WHEN t.status = 'CANCELED' THEN t.deliveries ELSE 0 END), 0),
    coalesce(sum(CASE WHEN t.status IN ('IN_PROGRESS', 'SENT', 'DELIVERED', 'FAILED') THEN t.deliveries ELSE 0 END), 0)
FROM staged_message s
LEFT JOIN tally t ON t.message_id = s.message_id AND NOT t.is_duplicate
WHERE s.canceled_at IS NOT NULL
GROUP BY s.message_id, s.canceled_at, s.canceled_by_id, s.canceled_by_name, s.cancel_reason;

-- A delivery from the input has no gateway and no handover. -1 is `domain.figures.NO_DELAY`.
INSERT INTO figure (message_id, mode, gateway, status, delay, deliveries)
SELECT t.message_id, t.mode, '', t.status, -1, sum(t.deliveries)
FROM staged_message s
JOIN tally t ON t.message_id = s.message_id
WHERE NOT t.is_duplicate
GROUP BY t.message_id, t.mode, t.status;

-- The day is that of `db.derived.figures.message_figures.DAY`.
INSERT INTO figure_change (message_id, district_id, day)
SELECT message_id, district_id,
    substr(created_text, 7, 4) || '-' || substr(created_text, 1, 2) || '-' || substr(created_text, 4, 2)
FROM staged_message;
