-- What is due in the listing, by message_status and registrations. Rows that no read heeds may be there or not: those
-- of registrations that are noted as unlisted, and of messages that bear another reference since.
SELECT
    message_status.recorded_at, message_id, client_id, batch_reference, message_reference, recipient_token
FROM registrations
JOIN message_status USING (message_reference)
WHERE entry_id NOT IN (SELECT entry_id FROM unlisted_registrations)
UNION ALL
SELECT
    listed.recorded_at, message_id, client_id, batch_reference, listed.message_reference, listed.recipient_token
FROM listed_messages AS listed
JOIN registrations USING (client_id, batch_reference, message_reference)
LEFT JOIN message_status USING (message_id)
WHERE entry_id IN (SELECT entry_id FROM unlisted_registrations)
   OR message_status.message_reference <> listed.message_reference
