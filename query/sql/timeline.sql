-- Every event of one message and every repeat of one, each with the entry that delivered it.
WITH stated AS (
    SELECT * FROM events WHERE message_id = %(message_id)s
)
SELECT
    'event' AS kind, stated.entry_id, stated.item, entries.received_at, stated.recorded_at,
    stated.idempotency_key, stated.digest, stated.content_hash, stated.event_type, stated.message_reference,
    stated.channel, stated.message_status, stated.channel_status, stated.supplier_status,
    stated.message_failure_code, stated.channel_failure_code, stated.cascade_type, stated.cascade_order,
    stated.retry_count, stated.occurred_at, stated.effective_at, entries.replays
FROM stated
JOIN entries USING (entry_id)
UNION ALL
SELECT
    'repeat', repeats.entry_id, repeats.item, entries.received_at, entries.recorded_at,
    stated.idempotency_key, stated.digest, stated.content_hash, stated.event_type, stated.message_reference,
    stated.channel, stated.message_status, stated.channel_status, stated.supplier_status,
    stated.message_failure_code, stated.channel_failure_code, stated.cascade_type, stated.cascade_order,
    stated.retry_count, stated.occurred_at, stated.effective_at, entries.replays
FROM stated
JOIN repeats USING (idempotency_key, digest)
JOIN entries ON entries.entry_id = repeats.entry_id
