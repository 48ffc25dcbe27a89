-- People, addresses, recipients and deliveries on SQLite: ids are looked up row by row.
--
-- A scalar subquery looks up an id with one descent of a unique index, whatever statistics exist. On a new database there
-- are none, and joins took twenty times as long.

-- If a person has several names in the input, the last one is stored, because rows are inserted in order.
INSERT INTO person (district_id, role, external_id, name)
SELECT s.district_id, 'CONTACT', r.person, r.name
FROM staged_recipient r
JOIN staged_message s ON s.ref = r.ref
WHERE r.person IS NOT NULL
ON CONFLICT (district_id, role, external_id) DO UPDATE SET name = excluded.name
WHERE person.name <> excluded.name;

INSERT INTO person_name (person_id, key)
SELECT (
    SELECT p.id FROM person p
    WHERE p.district_id = s.district_id AND p.role = 'CONTACT' AND p.external_id = r.person
), r.name_key
FROM staged_recipient r
JOIN staged_message s ON s.ref = r.ref
WHERE r.person IS NOT NULL
ON CONFLICT (person_id, key) DO NOTHING;

INSERT INTO person (district_id, role, external_id, name)
SELECT s.district_id, 'STUDENT', r.student, r.student_name
FROM staged_recipient r
JOIN staged_message s ON s.ref = r.ref
WHERE r.student IS NOT NULL
ON CONFLICT (district_id, role, external_id) DO UPDATE SET name = excluded.name
WHERE person.name <> excluded.name;

INSERT INTO person_name (person_id, key)
SELECT (
    SELECT p.id FROM person p
    WHERE p.district_id = s.district_id AND p.role = 'STUDENT' AND p.external_id = r.student
), r.student_key
FROM staged_recipient r
JOIN staged_message s ON s.ref = r.ref
WHERE r.student IS NOT NULL
ON CONFLICT (person_id, key) DO NOTHING;

INSERT INTO address (district_id, kind, key, is_readable)
SELECT s.district_id, d.kind, d.address_key, substr(d.address_key, 1, 1) <> ' '
FROM staged_delivery d
JOIN staged_message s ON s.ref = d.ref
WHERE true
ON CONFLICT (district_id, kind, key) DO NOTHING;

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
    r.student_name, r.name_key || char(10) || coalesce(r.student_key, ''),
    EXISTS (SELECT 1 FROM staged_repeat t WHERE t.ref = r.ref AND t.number = r.number),
    EXISTS (SELECT 1 FROM staged_contacted c WHERE c.ref = r.ref AND c.person = r.person)
FROM staged_recipient r
JOIN staged_message s ON s.ref = r.ref;

INSERT INTO delivery (
    message_id, recipient_number, number, chunk, mode, address, address_id, is_duplicate, status, call_status,
    confirmed, at, attempts, failure
)
SELECT
    s.message_id, d.recipient_number, d.number, d.chunk, d.mode, d.address,
    (SELECT a.id FROM address a WHERE a.district_id = s.district_id AND a.kind = d.kind AND a.key = d.address_key),
    EXISTS (
        SELECT 1 FROM staged_duplicate t
        WHERE t.ref = d.ref AND t.recipient_number = d.recipient_number AND t.number = d.number
    ),
    d.status, d.call_status, d.confirmed, d.at, d.attempts,
    CASE WHEN d.status = 'FAILED' AND substr(d.address_key, 1, 1) = ' ' THEN 'unreadable' END
FROM staged_delivery d
JOIN staged_message s ON s.ref = d.ref;
