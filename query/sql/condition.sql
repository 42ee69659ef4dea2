-- How the ledger is: how much it holds, when it last grew and was sealed, and what waits in quarantine.
SELECT
    (SELECT count(*) FROM entries) AS entries,
    (SELECT max(recorded_at) FROM entries) AS grew_at,
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
FROM quarantine_usage, sealer
