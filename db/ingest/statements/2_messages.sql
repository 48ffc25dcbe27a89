-- Messages and their contents, on both engines. `staged_message.message_id` then has the ids for the steps that follow.

INSERT INTO message (
    district_id, external_id, school_id, school_key, visible_from, status, type_code, type_label, type_key,
    category, subject, subject_key, sender_id, sender_name, sender_key, created_at, created_text,
    scheduled_at, scheduled_text, schedule_id, schedule_key, source, modes, is_recorded, has_open,
    has_failures, people, people_without_device, people_contacted, revision
)
SELECT
    s.district_id, s.external_id, s.school_id, (SELECT k.key FROM school k WHERE k.id = s.school_id),
    s.visible_from, s.status, s.type_code, s.type_label, s.type_key, s.category, s.subject, s.subject_key,
    s.sender_id, s.sender_name, s.sender_key, s.created_at, s.created_text, s.scheduled_at, s.scheduled_text, s.schedule_id,
    s.schedule_key, s.source, s.modes, s.is_recorded, s.has_open, failed.ref IS NOT NULL,
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
LEFT JOIN (
    SELECT DISTINCT d.ref
    FROM staged_delivery d
    WHERE d.status = 'FAILED' AND NOT EXISTS (
        SELECT 1 FROM staged_duplicate t
        WHERE t.ref = d.ref AND t.recipient_number = d.recipient_number AND t.number = d.number
    )
) failed ON failed.ref = s.ref
ORDER BY s.ref;

UPDATE staged_message SET message_id = (
    SELECT m.id FROM message m
    WHERE m.district_id = staged_message.district_id AND m.external_id = staged_message.external_id
);

INSERT INTO content (
    message_id, body, body_format, text_body, voice_script, reply_to, filter_criteria, words, digest
)
SELECT message_id, body, body_format, text_body, voice_script, reply_to, filter_criteria, words, digest
FROM staged_message;
