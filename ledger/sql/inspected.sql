-- Some entries, each with its leaf, what was derived from it and the checkpoint before it, as JSON like a bundle's
-- (bundle_entries.sql, with which it is held together by a test).
-- What is longer than `most_bytes` is left out.
SELECT row_to_json(line)::text
FROM (
    SELECT
        wanted.entry_id,
        row_to_json(leaves) AS leaf,
        row_to_json(entries) AS entry,
        (
            SELECT coalesce(json_agg(events ORDER BY events.item), '[]')
            FROM events
            WHERE events.entry_id = wanted.entry_id
        ) AS events,
        (
            SELECT coalesce(json_agg(one ORDER BY one.item), '[]')
            FROM (
                SELECT repeats.*, events.entry_id IS NOT NULL AS of_event
                FROM repeats
                LEFT JOIN events USING (key_hash, digest)
                WHERE repeats.entry_id = wanted.entry_id
            ) AS one
        ) AS repeats,
        (
            SELECT checkpoints.note
            FROM checkpoints
            JOIN sealer ON sealer.incarnation = checkpoints.incarnation
            WHERE checkpoints.size <= coalesce(leaves.index, sealer.size)
            ORDER BY checkpoints.size DESC
            LIMIT 1
        ) AS before
    FROM unnest(%(entry_ids)s::uuid[]) AS wanted (entry_id)
    LEFT JOIN entries ON entries.entry_id = wanted.entry_id
    LEFT JOIN leaves ON leaves.entry_id = wanted.entry_id
    WHERE entries.body IS NULL OR octet_length(entries.body) <= %(most_bytes)s::bigint
) AS line
