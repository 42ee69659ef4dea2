-- Folds the events that a snapshot did not see yet. A transaction id beyond the present is not new: it came with
-- a dump from another cluster.
WITH fresh AS (
    SELECT entry_id
    FROM entries
    WHERE transaction_id >= pg_snapshot_xmin(%(since)s::pg_snapshot)
      AND transaction_id < pg_snapshot_xmax(pg_current_snapshot())
      AND NOT pg_visible_in_snapshot(transaction_id, %(since)s::pg_snapshot)
),
delivered AS MATERIALIZED (
    SELECT events.* FROM fresh JOIN events USING (entry_id)
)
/* folds */
SELECT (SELECT count(*) FROM delivered), pg_current_snapshot()::text
