-- What the sealer knows, and on which server it is now: the system's identifier, and the timeline of its WAL.
SELECT
    version, size, signed_size, published_size, incarnation,
    snapshot::text,
    pg_snapshot_xmax(snapshot)::text,
    ARRAY(SELECT transaction_id::text FROM pg_snapshot_xip(snapshot) AS transaction_id),
    swept_at,
    swept_to,
    sealer.system_identifier,
    sealer.timeline,
    here.system_identifier,
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
FROM sealer, pg_control_system() AS here
