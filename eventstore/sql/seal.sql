-- Seals entries that have no leaf yet: gives each the next index, and keeps the hash of its leaf.
-- Candidates are the entries of transactions that an earlier snapshot did not see: those that began after it
-- (`since`, its xmax) and those that were open then. What this statement sees of them is what its own snapshot
-- sees, so that snapshot is the earlier one of next time, and nothing is skipped however late it commits.
-- Values of the earlier snapshot are parameters: joined as a row they would turn the index condition into a filter.
-- Candidates that have a leaf all the same (see `sealer.seal`) are left out where `trusting` is false. OFFSET 0 has
-- each leaf looked up by its key, for the planner would otherwise read all leaves as long as there are not very many.
-- Leaves are hashed before they are sorted (OFFSET 0 keeps it so): all that is sorted are times, ids and hashes.
-- Returns the snapshot, how many entries were sealed, when the first of them was recorded, and their leaves' hashes in
-- the order of the ledger, so that nobody has to read them again for the tree.
WITH fresh AS MATERIALIZED (
    SELECT
        %(size)s::bigint + row_number() OVER (ORDER BY recorded_at, entry_id) - 1 AS index,
        entry_id,
        recorded_at,
        commitment,
        hash
    FROM (
        SELECT
            entry_id,
            recorded_at,
            commitment,
            sha256(
                '\x00'::bytea
                || leaf_content(
                    entry_id, kind, client_id, received_at, recorded_at, secret_id, rules, replays, commitment
                )
            ) AS hash
        FROM (
            SELECT
                entry_id, kind, client_id, received_at, recorded_at, secret_id, rules, replays,
                coalesce(commitment, entry_commitment(salt, body, signature, rejection)) AS commitment
            FROM entries
            WHERE (
                    transaction_id >= %(since)s::xid8
                    AND transaction_id < coalesce(%(below)s::xid8, pg_snapshot_xmax(pg_current_snapshot()))
                    OR transaction_id = ANY(%(open)s::xid8[])
                )
                AND (
                    %(trusting)s::boolean
                    OR NOT EXISTS (SELECT FROM leaves WHERE leaves.entry_id = entries.entry_id OFFSET 0)
                )
            LIMIT %(most)s::bigint -- before anything is hashed, and each body once
        ) AS found
        OFFSET 0
    ) AS hashed
),
sealed AS (
    INSERT INTO leaves (index, entry_id, commitment, hash)
    SELECT index, entry_id, commitment, hash
    FROM fresh
)
SELECT
    pg_current_snapshot()::text,
    count(*),
    min(recorded_at),
    coalesce(string_agg(hash, ''::bytea ORDER BY index), '')
FROM fresh
