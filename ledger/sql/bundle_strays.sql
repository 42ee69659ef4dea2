-- Events and repeats of entries that are not there, as JSON.
SELECT row_to_json(line)::text
FROM (
    SELECT 'events' AS table, entry_id, item FROM events
    UNION ALL
    SELECT 'repeats', entry_id, item FROM repeats
) AS line
WHERE NOT EXISTS (SELECT FROM entries WHERE entries.entry_id = line.entry_id)
