-- How many entries the sealer's snapshot saw that have no leaf: there should be none.
SELECT count(*)
FROM entries
WHERE pg_visible_in_snapshot(transaction_id, %(snapshot)s::pg_snapshot)
    AND NOT EXISTS (SELECT FROM leaves WHERE leaves.entry_id = entries.entry_id)
