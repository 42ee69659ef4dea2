-- Every entry with its leaf and what was derived from it, as JSON: sealed ones by index, then the others.
-- What was derived stands in inspected.sql too, word for word (a test holds them together): each is a whole statement
-- that can be run as it stands, and they choose their entries so differently that no plan would be good for both.
SELECT row_to_json(line)::text
FROM (
    SELECT
        row_to_json(leaves) AS leaf,
        row_to_json(entries) AS entry,
        (
            SELECT coalesce(json_agg(events ORDER BY events.item), '[]')
            FROM events
            WHERE events.entry_id = entries.entry_id
        ) AS events,
        (
            SELECT coalesce(json_agg(one ORDER BY one.item), '[]')
            FROM (
                SELECT repeats.*, events.entry_id IS NOT NULL AS of_event
                FROM repeats
                LEFT JOIN events USING (key_hash, digest)
                WHERE repeats.entry_id = entries.entry_id
            ) AS one
        ) AS repeats
    FROM leaves
    FULL JOIN entries ON entries.entry_id = leaves.entry_id
    ORDER BY leaves.index NULLS LAST, entries.entry_id
) AS line
