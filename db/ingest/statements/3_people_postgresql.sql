-- People, addresses, recipients and deliveries on PostgreSQL: look up all ids first, then insert.
--
-- Each person and address is looked up once, in index order, and gets its id before any insert. So new rows are inserted
-- without another look-up, and recipients and deliveries take their ids from found_person and found_address. Only the ingest
-- inserts people, under its lock.

-- If a person has several names in the input, the last one is stored.
-- analyze: found_person
INSERT INTO found_person (id, district_id, role, external_id, name, key, is_new)
SELECT
    coalesce(known, nextval('person_id_seq')), district_id, role, external_id, name, key, known IS NULL
FROM (
    SELECT named.*, (
        SELECT p.id FROM person p
        WHERE p.district_id = named.district_id AND p.role = named.role AND p.external_id = named.external_id
    ) AS known
    FROM (
        SELECT DISTINCT ON (district_id, role, external_id) district_id, role, external_id, name, key
        FROM (
            SELECT s.district_id, 'CONTACT' AS role, r.person AS external_id, r.name, r.name_key AS key,
                r.ref, r.number
            FROM staged_recipient r
            JOIN staged_message s ON s.ref = r.ref
            UNION ALL
            SELECT s.district_id, 'STUDENT', r.student, r.student_name, r.student_key, r.ref, r.number
            FROM staged_recipient r
            JOIN staged_message s ON s.ref = r.ref
            WHERE r.student IS NOT NULL
        ) staged
        ORDER BY district_id, role, external_id, ref DESC, number DESC
    ) named
) looked_up;

INSERT INTO person (id, district_id, role, external_id, name)
SELECT id, district_id, role, external_id, name FROM found_person WHERE is_new;

UPDATE person SET name = f.name
FROM found_person f
WHERE f.id = person.id AND NOT f.is_new AND person.name <> f.name;

INSERT INTO person_name (person_id, key) SELECT id, key FROM found_person WHERE is_new;

INSERT INTO person_name (person_id, key)
SELECT id, key FROM found_person WHERE NOT is_new
UNION
SELECT f.id, r.name_key
FROM staged_recipient r
JOIN staged_message s ON s.ref = r.ref
JOIN found_person f ON f.district_id = s.district_id AND f.role = 'CONTACT' AND f.external_id = r.person
WHERE f.key <> r.name_key
UNION
SELECT f.id, r.student_key
FROM staged_recipient r
JOIN staged_message s ON s.ref = r.ref
JOIN found_person f ON f.district_id = s.district_id AND f.role = 'STUDENT' AND f.external_id = r.student
WHERE f.key <> r.student_key
ON CONFLICT (person_id, key) DO NOTHING;

-- analyze: found_address
INSERT INTO found_address (id, district_id, kind, key, is_new)
SELECT coalesce(known, nextval('address_id_seq')), district_id, kind, key, known IS NULL
FROM (
    SELECT staged.*, (
        SELECT a.id FROM address a
        WHERE a.district_id = staged.district_id AND a.kind = staged.kind AND a.key = staged.key
    ) AS known
    FROM (
        SELECT DISTINCT s.district_id, d.kind, d.address_key AS key
        FROM staged_delivery d
        JOIN staged_message s ON s.ref = d.ref
        ORDER BY s.district_id, d.kind, d.address_key
    ) staged
) looked_up;

-- An opt-out may have inserted the address in the meantime.
INSERT INTO address (id, district_id, kind, key, is_readable)
SELECT id, district_id, kind, key, left(key, 1) <> ' ' FROM found_address WHERE is_new
ON CONFLICT (district_id, kind, key) DO NOTHING;

UPDATE found_address SET id = (
    SELECT a.id FROM address a
    WHERE a.district_id = found_address.district_id AND a.kind = found_address.kind AND a.key = found_address.key
)
WHERE is_new AND NOT EXISTS (SELECT 1 FROM address a WHERE a.id = found_address.id);

-- Each inserted delivery looks up its recipient. Without statistics PostgreSQL expects a new message to have few recipients,
-- and scans all of them for each delivery.
-- analyze: recipient
-- from: 5000
INSERT INTO recipient (
    message_id, number, person_id, name, student_id, student_name, key, is_repeat, contacted
)
SELECT
    s.message_id, r.number, p.id, r.name, c.id, r.student_name,
    r.name_key || E'\n' || coalesce(r.student_key, ''),
    EXISTS (SELECT 1 FROM staged_repeat t WHERE t.ref = r.ref AND t.number = r.number),
    EXISTS (SELECT 1 FROM staged_contacted c WHERE c.ref = r.ref AND c.person = r.person)
FROM staged_recipient r
JOIN staged_message s ON s.ref = r.ref
JOIN found_person p ON p.district_id = s.district_id AND p.role = 'CONTACT' AND p.external_id = r.person
LEFT JOIN found_person c ON c.district_id = s.district_id AND c.role = 'STUDENT' AND c.external_id = r.student;

INSERT INTO delivery (
    message_id, recipient_number, number, chunk, mode, address, address_id, is_duplicate, status, call_status,
    confirmed, at, attempts, failure
)
SELECT
    s.message_id, d.recipient_number, d.number, d.chunk, d.mode, d.address, a.id,
    EXISTS (
        SELECT 1 FROM staged_duplicate t
        WHERE t.ref = d.ref AND t.recipient_number = d.recipient_number AND t.number = d.number
    ),
    d.status, d.call_status, d.confirmed, d.at, d.attempts,
    CASE WHEN d.status = 'FAILED' AND substr(d.address_key, 1, 1) = ' ' THEN 'unreadable' END
FROM staged_delivery d
JOIN staged_message s ON s.ref = d.ref
JOIN found_address a ON a.district_id = s.district_id AND a.kind = d.kind AND a.key = d.address_key;
