-- Lists the messages of some references of a batch that are not listed yet.
--
-- What is listed meanwhile was so by an append that saw the registration, and is right. No entry is written, but a
-- lock taken as by those who write one, before anything is looked at: an erasure, which holds appends off, has then
-- either taken a message away, or will find it listed.
WITH as_an_append AS (
    INSERT INTO entries (entry_id, kind, client_id, received_at, rules, body)
    SELECT NULL, NULL, NULL, NULL, NULL, NULL WHERE false
)
INSERT INTO listed_messages (
    recorded_at, message_id, client_id, batch_reference, message_reference, recipient_token
)
SELECT recorded_at, message_id, client_id, batch_reference, message_reference, recipient_token
FROM (
    SELECT client_id, batch_reference, message_reference, recipient_token
    FROM registrations
    WHERE client_id = %(client_id)s
      AND batch_reference = %(batch_reference)s
      AND message_reference > %(after)s
      AND message_reference <= %(until)s
      AND entry_id = ANY (%(entries)s)
) AS registered
CROSS JOIN LATERAL (
    SELECT message_id, recorded_at
    FROM message_status
    WHERE message_status.message_reference = registered.message_reference
    OFFSET 0 -- one by one, whatever PostgreSQL believes of a batch that has just come
) AS message
ORDER BY message_id, client_id, batch_reference, message_reference -- one order of locks everywhere
ON CONFLICT (message_id, client_id, batch_reference, message_reference) DO NOTHING
