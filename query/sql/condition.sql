-- How the ledger is: how much it holds, when it last grew, and what waits in quarantine.
SELECT
    (SELECT count(*) FROM entries) AS entries,
    (SELECT max(recorded_at) FROM entries) AS grew_at,
    pg_database_size(current_database()) AS bytes,
    quarantine_usage.requests AS quarantined,
    quarantine_usage.bytes AS quarantined_bytes,
    now() AS told_at
FROM quarantine_usage
