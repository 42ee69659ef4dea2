-- How many of the next `most` entries after an id the sealer's snapshot saw without giving them a leaf: there should be
-- none; and the last of them all, null where these are the last. Who has no leaf is read from two indexes alone.
WITH looked_at AS MATERIALIZED (
    SELECT entry_id
    FROM entries
    WHERE entry_id > %(after)s
    ORDER BY entry_id
    LIMIT %(most)s::bigint
)
SELECT
    (
        SELECT count(*)
        FROM (
            SELECT entry_id
            FROM looked_at
            WHERE NOT EXISTS (SELECT FROM leaves WHERE leaves.entry_id = looked_at.entry_id OFFSET 0)
        ) AS without_leaf
        JOIN entries USING (entry_id)
        WHERE pg_visible_in_snapshot(transaction_id, %(snapshot)s::pg_snapshot)
    ),
    (SELECT entry_id FROM looked_at ORDER BY entry_id OFFSET %(most)s::bigint - 1)
