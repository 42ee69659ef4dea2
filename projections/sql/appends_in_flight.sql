-- The transactions that write the read model now: an append locks its tables before it takes its snapshot.
SELECT virtualtransaction
FROM pg_locks
WHERE locktype = 'relation'
  AND relation = 'message_status'::regclass
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND mode = 'RowExclusiveLock'
