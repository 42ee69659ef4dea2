-- What is asked of one message at a cut: `known`, what the ledger knew of it at a time, or in its
-- first so many sealed entries; `delivered`, what of that
-- was true at a time; and what the folds make of `delivered`, as relations that nobody keeps.
WITH known AS (
    SELECT *
    FROM events
    WHERE message_id = %(message_id)s
      AND (%(known_at)s::timestamptz IS NULL OR recorded_at <= %(known_at)s)
      AND (
            %(first)s::bigint IS NULL
            OR EXISTS (SELECT FROM leaves WHERE leaves.entry_id = events.entry_id AND index < %(first)s)
        )
),
delivered AS (
    SELECT *
    FROM known
    WHERE (%(as_of)s::timestamptz IS NULL OR effective_at <= %(as_of)s)
)
/* folds */
/* question */
