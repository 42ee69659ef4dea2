-- How the ledger is: how much it holds, when it last grew and was sealed, and what waits for a seal or in quarantine.
-- What is not sealed yet is found as the sealer finds it, by the index of the transactions that its last snapshot did
-- not see (from `since` on, and those `open` then); it is counted up to a limit.
-- Nothing here reads a table as a whole, however large the ledger is.
WITH waiting AS MATERIALIZED (
    SELECT entries.recorded_at
    FROM entries
    WHERE (
            transaction_id >= %(since)s::xid8
            OR transaction_id = ANY(%(open)s::xid8[])
        )
        AND NOT EXISTS (SELECT FROM leaves WHERE leaves.entry_id = entries.entry_id)
    LIMIT %(most)s::bigint
),
counted AS (
    SELECT count(*) AS entries, min(recorded_at) AS since, max(recorded_at) AS grew_at FROM waiting
)
SELECT
    counted.entries AS unsealed,
    counted.since AS unsealed_since,
    greatest(
        counted.grew_at,
        (SELECT recorded_at FROM leaves JOIN entries USING (entry_id) ORDER BY index DESC LIMIT 1)
    ) AS grew_at,
    pg_database_size(current_database()) AS bytes,
    quarantine_usage.requests AS quarantined,
    quarantine_usage.bytes AS quarantined_bytes,
    sealer.size AS sealed,
    sealer.sealed_at,
    sealer.published_size AS published,
    (
        SELECT signed_at
        FROM checkpoints
        WHERE incarnation = sealer.incarnation AND size = sealer.published_size
    ) AS published_at,
    now() AS told_at
FROM quarantine_usage, sealer, counted
