-- Registers those messages of a batch that are not registered in it yet, and returns their references. Where
-- another transaction registers the same ones it waits for that one's end.
INSERT INTO registrations (
    entry_id, client_id, batch_reference, message_reference, routing_plan_id, recipient_key_id,
    recipient_token, salt
)
SELECT
    %(entry_id)b::uuid, %(client_id)s::text, %(batch_reference)s::text, message_reference,
    %(routing_plan_id)s::text, %(recipient_key_id)s::text, recipient_token, salt
FROM unnest(%(message_reference)b::text[], %(recipient_token)b::bytea[], %(salt)b::bytea[])
    AS message (message_reference, recipient_token, salt)
ORDER BY message_reference COLLATE "C" -- one order of locks everywhere
ON CONFLICT (client_id, batch_reference, message_reference) DO NOTHING
RETURNING message_reference
