-- Names the recipient keys that stored registrations use, each found by one step down the index: as fast
-- with a hundred million rows as with one.
WITH RECURSIVE in_use AS (
    (SELECT recipient_key_id FROM registrations ORDER BY recipient_key_id LIMIT 1)
    UNION ALL
    SELECT next.recipient_key_id
    FROM in_use
    CROSS JOIN LATERAL (
        SELECT recipient_key_id
        FROM registrations
        WHERE recipient_key_id > in_use.recipient_key_id
        ORDER BY recipient_key_id
        LIMIT 1
    ) AS next
)
SELECT recipient_key_id FROM in_use
