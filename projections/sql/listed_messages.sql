-- Keeps registered messages listed where their newest event puts them; see projections/listing.py.
--
-- A message comes as the fold before has just written it, and holds it: two appends that touch one message are here
-- in the order in which they were there. Its registrations are looked up one by one: OFFSET 0 keeps PostgreSQL from
-- reading all of them, which it may think cheap as long as it has no statistics of a batch that has just come.
INSERT INTO listed_messages AS held (
    recorded_at, message_id, client_id, batch_reference, message_reference, recipient_token
)
SELECT recorded_at, message_id, client_id, batch_reference, message_reference, recipient_token
FROM fold_message_status AS folded
CROSS JOIN LATERAL (
    SELECT client_id, batch_reference, recipient_token
    FROM registrations
    WHERE registrations.message_reference = folded.message_reference
    OFFSET 0
) AS registered
ORDER BY message_id, client_id, batch_reference -- one order of locks everywhere; a message has one reference here
ON CONFLICT (message_id, client_id, batch_reference, message_reference) DO UPDATE SET
    recorded_at = excluded.recorded_at
WHERE held.recorded_at <> excluded.recorded_at
