-- One entry, with what it replays and what replays it.
SELECT
    entries.entry_id,
    leaves.index AS ledger_index,
    entries.kind, entries.client_id, entries.received_at, entries.recorded_at, entries.rules, entries.body,
    entries.signature, entries.secret_id, entries.rejection, entries.replays,
    CASE
        WHEN entries.replays IS NULL THEN NULL
        WHEN EXISTS (SELECT FROM entries AS refused WHERE refused.entry_id = entries.replays) THEN 'entry'
        ELSE 'quarantined'
    END AS replays_kind,
    replay.entry_id AS replayed_by
FROM entries
LEFT JOIN leaves ON leaves.entry_id = entries.entry_id
LEFT JOIN entries AS replay ON replay.replays = entries.entry_id
WHERE entries.entry_id = %(entry_id)s
