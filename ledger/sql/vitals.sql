-- What is told of the ledger to whoever watches it: what the quarantine holds, how many entries are sealed, and the
-- age in seconds of the oldest entry without a seal and of the oldest signed checkpoint without an anchor, 0 where
-- none waits. As often as it is asked, and however large the ledger, it looks at what the sealer has not seen alone:
-- at transactions from `since` on, and those `open` then.
SELECT
    quarantine_usage.requests,
    quarantine_usage.bytes,
    sealer.size,
    greatest(0, coalesce(extract(epoch FROM clock_timestamp() - (
        SELECT min(recorded_at)
        FROM (
            (
                SELECT recorded_at
                FROM entries
                WHERE transaction_id >= %(since)s::xid8
                    AND NOT EXISTS (SELECT FROM leaves WHERE leaves.entry_id = entries.entry_id)
                ORDER BY transaction_id
                LIMIT 1
            )
            UNION ALL
            (
                SELECT recorded_at
                FROM entries
                WHERE transaction_id = ANY(%(open)s::xid8[])
                    AND NOT EXISTS (SELECT FROM leaves WHERE leaves.entry_id = entries.entry_id)
            )
        ) AS unsealed
    )), 0))::double precision,
    greatest(0, coalesce(extract(epoch FROM clock_timestamp() - (
        SELECT signed_at
        FROM checkpoints
        WHERE checkpoints.incarnation = sealer.incarnation AND checkpoints.size > sealer.published_size
        ORDER BY size
        LIMIT 1
    )), 0))::double precision
FROM quarantine_usage, sealer
