-- Appends a batch of entries with the events that they state, and folds what is new: one statement, one
-- transaction. Returns a line for each thing worth telling (`outcome`, `entry_id`, `item`): an entry that an
-- earlier run had already committed, an item that repeats an event, an item in conflict with another event
-- of its key, an item of a message that was erased. Rows go in in the order of their primary keys, entries before
-- events before statuses: one order of locks everywhere.
WITH offered AS ( -- unnested in the select list, for a function in FROM would copy each row once more
    SELECT
        unnest(%(entry_id)b::uuid[]) AS entry_id,
        unnest(%(kind)b::text[]) AS kind,
        unnest(%(client_id)b::text[]) AS client_id,
        unnest(%(received_at)b::timestamptz[]) AS received_at,
        unnest(%(body)b::bytea[]) AS body,
        unnest(%(signature)b::bytea[]) AS signature,
        unnest(%(secret_id)b::text[]) AS secret_id,
        unnest(%(rules)b::integer[]) AS rules,
        unnest(%(rejection)b::text[]) AS rejection,
        unnest(%(replays)b::uuid[]) AS replays,
        unnest(%(salt)b::bytea[]) AS salt,
        unnest(%(commitment)b::bytea[]) AS commitment
),
of_erased AS ( -- items of erased messages: no event where the entry has no other, and no content in the entry
    SELECT entry_id, item, erased, bool_and(erased) OVER (PARTITION BY entry_id) AS alone
    FROM (
        SELECT entry_id, item, is_erased(message_id) AS erased
        FROM unnest(%(event_entry_id)b::uuid[], %(item)b::integer[], %(message_id)b::text[])
            AS said (entry_id, item, message_id)
        WHERE EXISTS (SELECT FROM erased_messages) -- mostly there is none, and nothing is looked up
        OFFSET 0 -- once for each item
    ) AS said
),
kept AS (
    INSERT INTO entries (
        entry_id, kind, client_id, received_at, body, signature, secret_id, rules, rejection, replays, salt,
        commitment
    )
    SELECT
        entry_id, kind, client_id, received_at, CASE WHEN emptied IS NULL THEN body END,
        CASE WHEN emptied IS NULL THEN signature END, secret_id, rules,
        CASE WHEN emptied IS NULL THEN rejection END, replays, CASE WHEN emptied IS NULL THEN salt END,
        CASE WHEN emptied IS NULL THEN commitment END
    FROM offered
    LEFT JOIN (SELECT DISTINCT entry_id AS emptied FROM of_erased WHERE alone) AS emptying ON emptied = entry_id
    ORDER BY entry_id
    ON CONFLICT (entry_id) DO NOTHING
    RETURNING entry_id
),
already AS ( -- committed by an earlier run of this append, whose answer was lost
    SELECT entry_id FROM offered WHERE entry_id NOT IN (SELECT entry_id FROM kept)
),
stated AS (
    SELECT *
    FROM (
        SELECT
            unnest(%(event_entry_id)b::uuid[]) AS entry_id,
            unnest(%(item)b::integer[]) AS item,
            unnest(%(idempotency_key)b::text[]) AS idempotency_key,
            unnest(%(digest)b::bytea[]) AS digest,
            unnest(%(content_hash)b::bigint[]) AS content_hash,
            unnest(%(event_type)b::text[]) AS event_type,
            unnest(%(message_id)b::text[]) AS message_id,
            unnest(%(message_reference)b::text[]) AS message_reference,
            unnest(%(channel)b::text[]) AS channel,
            unnest(%(message_status)b::text[]) AS message_status,
            unnest(%(channel_status)b::text[]) AS channel_status,
            unnest(%(supplier_status)b::text[]) AS supplier_status,
            unnest(%(message_failure_code)b::text[]) AS message_failure_code,
            unnest(%(channel_failure_code)b::text[]) AS channel_failure_code,
            unnest(%(cascade_type)b::text[]) AS cascade_type,
            unnest(%(cascade_order)b::integer[]) AS cascade_order,
            unnest(%(retry_count)b::integer[]) AS retry_count,
            unnest(%(occurred_at)b::timestamptz[]) AS occurred_at,
            unnest(%(effective_at)b::timestamptz[]) AS effective_at
    ) AS event
    WHERE entry_id NOT IN (SELECT entry_id FROM already)
      AND entry_id NOT IN (SELECT entry_id FROM of_erased WHERE alone)
),
delivered AS (
    INSERT INTO events (
        entry_id, item, idempotency_key, digest, content_hash, event_type, message_id, message_reference,
        channel, message_status, channel_status, supplier_status, message_failure_code, channel_failure_code,
        cascade_type, cascade_order, retry_count, occurred_at, effective_at
    )
    SELECT
        entry_id, item, idempotency_key, digest, content_hash, event_type, message_id, message_reference,
        channel, message_status, channel_status, supplier_status, message_failure_code, channel_failure_code,
        cascade_type, cascade_order, retry_count, occurred_at, effective_at
    FROM stated
    ORDER BY message_id COLLATE "C", digest, entry_id, item
    ON CONFLICT (message_id, digest) DO NOTHING
    RETURNING *
),
repeated AS (
    INSERT INTO repeats (entry_id, item, idempotency_key, digest)
    SELECT entry_id, item, idempotency_key, digest
    FROM stated
    WHERE (entry_id, item) NOT IN (SELECT entry_id, item FROM delivered)
    ORDER BY entry_id, item
    RETURNING entry_id, item
)
/* folds */
SELECT 'already' AS outcome, entry_id, NULL::integer AS item
FROM already
-- A commit that wrote nothing waits for nothing, and what an earlier run wrote may not be safe yet: this makes
-- the commit wait like any other, a synchronous standby included.
WHERE pg_logical_emit_message(true, 'status-ledger', entry_id::text) IS NOT NULL
UNION ALL
SELECT 'repeat', entry_id, item FROM repeated
UNION ALL
SELECT CASE WHEN alone THEN 'erased' ELSE 'returned' END, entry_id, item
FROM of_erased
WHERE erased
UNION ALL
SELECT 'conflict', entry_id, item
FROM (
    SELECT
        entry_id, item, idempotency_key, key_hash, content_hash,
        min(content_hash) OVER same_key <> max(content_hash) OVER same_key AS differs_within_batch
    FROM delivered
    WINDOW same_key AS (PARTITION BY idempotency_key)
) AS fresh
WHERE differs_within_batch
   OR EXISTS (
        SELECT FROM events AS earlier
        WHERE earlier.key_hash = fresh.key_hash
          AND earlier.idempotency_key = fresh.idempotency_key
          AND earlier.content_hash <> fresh.content_hash
    )
