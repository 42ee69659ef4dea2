-- Writes the messages from number `first` to below `below` into the ledger: registrations, entries, events.
--
-- All that a message is follows from its number by hashes, so chunks may be written in any order, by several
-- connections. Rows go in by time, so that the events of one message lie apart, as they do when they arrive.
WITH messages AS (
    SELECT
        n,
        batches.client_id,
        batches.reference AS batch_reference,
        batches.registered_at,
        batches.first_message,
        batches.registered_at + interval '2 hours' * ((n - first_message)::float / size) AS born_at,
        (hashint8extended(n, 1) & 2147483647) %% 1000 AS draw,
        0.25 + (hashint8extended(n, 2) & 1023) / 1024.0::float AS pace,
        CASE WHEN hashint8extended(n, 3) & 2047 = 0 THEN 0
            ELSE (hashint8extended(n, 4) & 2147483647) %% %(recipients)s END AS recipient,
        md5('reference ' || n)::uuid::text AS message_reference
    FROM generate_series(%(first)s::bigint, %(below)s::bigint - 1) AS n
    CROSS JOIN LATERAL (
        SELECT * FROM benchmark.batches WHERE first_message <= n ORDER BY first_message DESC LIMIT 1
    ) AS batches
),
facts AS MATERIALIZED (
    SELECT
        n, message_reference,
        lpad(to_hex(extract(epoch FROM born_at)::bigint), 8, '0') || substr(md5('message ' || n), 1, 19) AS message_id,
        born_at + after * pace AS at,
        sha256(('digest ' || n || ' ' || step)::bytea) AS digest,
        encode(sha256(('key ' || n || ' ' || step)::bytea), 'hex') AS idempotency_key,
        lives.channel, lives.message_status, lives.channel_status, lives.supplier_status,
        overlay(md5('entry ' || n || ' ' || step) PLACING
            lpad(to_hex((extract(epoch FROM born_at + after * pace) * 1000)::bigint), 12, '0') || '7' FROM 1 FOR 13
        )::uuid AS entry_id
    FROM messages
    JOIN benchmark.lives AS lives ON draw >= least AND draw < below
    WHERE born_at + after * pace < %(now)s::timestamptz
),
registered AS (
    INSERT INTO registrations (
        recorded_at, entry_id, client_id, batch_reference, message_reference,
        routing_plan_id, recipient_key_id, recipient_token, salt
    )
    SELECT
        registered_at, md5('batch ' || batch_reference)::uuid, client_id, batch_reference, message_reference,
        'b838b13c-f98c-4def-93f0-515d4e4f4ee1', %(recipient_key_id)s, token,
        decode(md5('salt ' || n), 'hex')
    FROM messages
    JOIN benchmark.recipients ON number = recipient
    WHERE client_id IS NOT NULL
),
registration_entries AS (
    INSERT INTO entries (recorded_at, received_at, entry_id, rules, kind, client_id, body)
    SELECT registered_at, registered_at, md5('batch ' || batch_reference)::uuid, 1, 'registration', client_id, '{}'
    FROM messages
    WHERE n = first_message AND client_id IS NOT NULL
),
callback_entries AS (
    INSERT INTO entries (recorded_at, received_at, entry_id, rules, kind, client_id, secret_id, signature, body)
    SELECT
        at + interval '1.2 seconds', at + interval '1.1 seconds', entry_id, 1, 'callback', 'notify', 'benchmark', digest,
        convert_to(
            '{"data":[{"type":"' || CASE WHEN channel IS NULL THEN 'Message' ELSE 'Channel' END
            || 'Status","attributes":{"messageId":"' || message_id || '","messageReference":"' || message_reference
            || '"},"meta":{"idempotencyKey":"' || idempotency_key || '"}}]}', 'UTF8'
        )
    FROM facts
    ORDER BY at
),
written AS (
    INSERT INTO events (
        recorded_at, effective_at, occurred_at, content_hash, entry_id, item, cascade_order, retry_count, event_type,
        message_id, message_reference, channel, message_status, channel_status, supplier_status, cascade_type,
        idempotency_key, digest
    )
    SELECT
        at + interval '1.2 seconds', at, at, n, entry_id, 0, 1, 0,
        CASE WHEN channel IS NULL THEN 'MessageStatus' ELSE 'ChannelStatus' END,
        message_id, message_reference, channel, message_status, channel_status, supplier_status, 'primary',
        idempotency_key, digest
    FROM facts
    ORDER BY at
    RETURNING 1
)
INSERT INTO benchmark.chunks (first_message, events)
SELECT %(first)s, count(*) FROM written
RETURNING events
