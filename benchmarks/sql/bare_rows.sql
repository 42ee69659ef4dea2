-- A row like those of `events`, distinct by `key` and `message`, which `drawn` gives: every column by its name.
INSERT INTO bare_events (
    recorded_at, effective_at, occurred_at, content_hash, entry_id, item, cascade_order, retry_count, event_type,
    message_id, message_reference, channel, message_status, channel_status, supplier_status, message_failure_code,
    channel_failure_code, cascade_type, idempotency_key, digest
)
SELECT
    now(), now(), now(), key, gen_random_uuid(), 0, 1, 0, 'ChannelStatus',
    lpad(message::text, 27, 'm'), gen_random_uuid()::text, 'nhsapp', NULL, 'delivered', 'read', NULL,
    NULL, 'primary', encode(sha256(key::text::bytea), 'hex'), sha256(message::text::bytea)
FROM drawn
