-- The last of the next references of a batch, in their order; no row at the end.
SELECT max(message_reference)
FROM (
    SELECT message_reference
    FROM registrations
    WHERE client_id = %(client_id)s
      AND batch_reference = %(batch_reference)s
      AND message_reference > %(after)s
    ORDER BY message_reference
    LIMIT %(size)s
) AS slice
HAVING count(*) > 0
