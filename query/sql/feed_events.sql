-- The events of some entries, and the repeats: the events that they delivered again.
SELECT
    entry_id, 'event' AS kind, item, idempotency_key, digest, event_type, message_id, message_reference, channel,
    message_status, channel_status, supplier_status, message_failure_code, channel_failure_code, cascade_type,
    cascade_order, retry_count, occurred_at, effective_at
FROM events
WHERE entry_id = ANY(%(entry_ids)s)
UNION ALL
SELECT
    repeats.entry_id, 'repeat', repeats.item, repeats.idempotency_key, digest, event_type, message_id, message_reference,
    channel, message_status, channel_status, supplier_status, message_failure_code, channel_failure_code,
    cascade_type, cascade_order, retry_count, occurred_at, effective_at
FROM repeats
JOIN events USING (key_hash, digest)
WHERE repeats.entry_id = ANY(%(entry_ids)s)
ORDER BY entry_id, item
