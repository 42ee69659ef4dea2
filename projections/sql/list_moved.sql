-- Puts right what an append listed before another one, which did not see the registration, wrote the message again.
--
-- The message is held while its row in the listing is written, as appends do it, so that no append comes between.
WITH moved AS (
    SELECT message_status.recorded_at, listed.message_id, listed.client_id, listed.batch_reference,
        listed.message_reference
    FROM registrations
    JOIN listed_messages AS listed USING (client_id, batch_reference, message_reference)
    JOIN message_status
        ON message_status.message_id = listed.message_id
        AND message_status.message_reference = listed.message_reference
    WHERE client_id = %(client_id)s
      AND batch_reference = %(batch_reference)s
      AND registrations.message_reference > %(after)s
      AND registrations.message_reference <= %(until)s
      AND entry_id = ANY (%(entries)s)
      AND listed.recorded_at <> message_status.recorded_at
    ORDER BY listed.message_id -- one order of locks everywhere
    FOR SHARE OF message_status
)
UPDATE listed_messages AS listed SET
    recorded_at = moved.recorded_at
FROM moved
WHERE listed.message_id = moved.message_id
  AND listed.client_id = moved.client_id
  AND listed.batch_reference = moved.batch_reference
  AND listed.message_reference = moved.message_reference
