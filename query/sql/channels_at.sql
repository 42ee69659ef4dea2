-- The records of the message's channels at a cut, with the versions that their registers hold.
SELECT
    recorded_at AS created_at, channel, channel_status, supplier_status, occurred_at, delivered_at, read_at,
    failed_at, channel_status_version, supplier_status_version
FROM read_channel_status
ORDER BY channel
