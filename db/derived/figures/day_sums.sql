-- The sums of one local day of a district, counted from the figures of its messages, on both engines: rows of `figure_sum`
-- and of `figure_delay`.
--
-- Parameters: :district, :day, and :begin and :end, instants that contain the day in every time zone. 0 is
-- `db.tables.figures.DISTRICT_WIDE`. A message counts in one row of each mode, of each gateway, and of all.

SELECT
    district_id, 'DAY' AS span, day AS first_day, school_id, type_code, mode, gateway,
    sum(deliveries) AS deliveries, sum(delivered) AS delivered, sum(sent) AS sent, sum(failed) AS failed,
    sum(canceled) AS canceled, sum(opted_out) AS opted_out, count(*) AS messages,
    sum(CASE WHEN of_mode = 1 THEN 1 ELSE 0 END) AS messages_of_mode,
    sum(CASE WHEN of_gateway = 1 THEN 1 ELSE 0 END) AS messages_of_gateway,
    sum(CASE WHEN of_all = 1 THEN 1 ELSE 0 END) AS messages_of_all
FROM (
    SELECT c.*,
        row_number() OVER (PARTITION BY message_id, mode ORDER BY gateway) AS of_mode,
        row_number() OVER (PARTITION BY message_id, gateway ORDER BY mode) AS of_gateway,
        row_number() OVER (PARTITION BY message_id ORDER BY mode, gateway) AS of_all
    FROM (
        SELECT m.district_id, CAST(:day AS text) AS day, coalesce(m.school_id, 0) AS school_id, m.type_code,
            f.message_id, f.mode, f.gateway,
            sum(f.deliveries) AS deliveries,
            sum(CASE WHEN f.status = 'DELIVERED' THEN f.deliveries ELSE 0 END) AS delivered,
            sum(CASE WHEN f.status = 'SENT' THEN f.deliveries ELSE 0 END) AS sent,
            sum(CASE WHEN f.status = 'FAILED' THEN f.deliveries ELSE 0 END) AS failed,
            sum(CASE WHEN f.status = 'CANCELED' THEN f.deliveries ELSE 0 END) AS canceled,
            sum(CASE WHEN f.status = 'OPTED_OUT' THEN f.deliveries ELSE 0 END) AS opted_out
        FROM message m
        JOIN figure f ON f.message_id = m.id
        WHERE m.district_id = :district AND m.created_at >= :begin AND m.created_at < :end AND f.deliveries > 0
            AND substr(m.created_text, 7, 4) || '-' || substr(m.created_text, 1, 2) || '-' || substr(m.created_text, 4, 2)
                = :day
        GROUP BY m.district_id, m.school_id, m.type_code, f.message_id, f.mode, f.gateway
    ) c
) ranked
GROUP BY district_id, day, school_id, type_code, mode, gateway;

SELECT
    m.district_id, 'DAY' AS span, CAST(:day AS text) AS first_day, coalesce(m.school_id, 0) AS school_id, m.type_code,
    f.mode, f.gateway, f.delay, sum(f.deliveries) AS deliveries
FROM message m
JOIN figure f ON f.message_id = m.id
WHERE m.district_id = :district AND m.created_at >= :begin AND m.created_at < :end AND f.deliveries > 0 AND f.delay >= 0
    AND substr(m.created_text, 7, 4) || '-' || substr(m.created_text, 1, 2) || '-' || substr(m.created_text, 4, 2) = :day
GROUP BY m.district_id, m.school_id, m.type_code, f.mode, f.gateway, f.delay;
