-- The record of the message at a cut, with the versions that its registers hold; no row where nothing was known.
SELECT
    recorded_at AS created_at, message_id, message_reference, channel, channel_status, supplier_status,
    message_status, occurred_at, delivered_at, read_at, failed_at, message_status_version, channel_version
FROM read_message_status
