-- Contacted people, repeats and duplicates among the complete staged messages, on both engines.
-- They come first and store only keys, so that the inserts into the log need neither DISTINCT nor a window function.

-- One call to a number reaches all people who share it.
-- analyze: staged_contacted
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
WHERE d.hit = 1;

-- analyze: staged_repeat
INSERT INTO staged_repeat (ref, number)
SELECT ref, number
FROM (
    SELECT ref, number, row_number() OVER (PARTITION BY ref, person ORDER BY number) AS nth
    FROM staged_recipient
    WHERE ref IN (SELECT ref FROM staged_message)
) listed
WHERE nth > 1;

-- The second and later deliveries of one mode to one address are duplicates. The inner query keeps the sort small. The plus
-- prevents SQLite from using the primary key, which would scan the whole message for each address.
-- analyze: staged_duplicate
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
WHERE nth > 1;
