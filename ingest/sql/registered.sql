-- Tells how these messages of a batch are registered.
SELECT message_reference, routing_plan_id, recipient_key_id, recipient_token
FROM registrations
WHERE client_id = %(client_id)s::text
  AND batch_reference = %(batch_reference)s::text
  AND message_reference = ANY (%(message_reference)b::text[])
