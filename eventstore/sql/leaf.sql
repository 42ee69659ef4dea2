-- What the leaf of an entry says, and what its commitment stands for.
SELECT
    leaves.index, entry_id, kind, client_id, received_at, recorded_at, secret_id, rules, replays,
    leaves.commitment, salt, body, signature, rejection
FROM leaves
JOIN entries USING (entry_id)
WHERE entry_id = %(entry_id)s
