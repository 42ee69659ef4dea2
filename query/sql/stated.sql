-- What the items of an entry came to, in their order: the events that it delivered first, and those it repeated.
SELECT
    'event' AS kind, item, message_id, idempotency_key, digest, event_type, channel, message_status,
    channel_status, supplier_status, effective_at, entry_id AS first_entry_id
FROM events
WHERE entry_id = %(entry_id)s
UNION ALL
SELECT
    'repeat', repeats.item, message_id, repeats.idempotency_key, digest, event_type, channel, message_status,
    channel_status, supplier_status, effective_at, events.entry_id
FROM repeats
JOIN events USING (key_hash, digest)
WHERE repeats.entry_id = %(entry_id)s
ORDER BY item
