-- Refused requests by their ids, each with what is kept of it, be it in the entry that replays it.
SELECT
    quarantined.quarantine_id AS refusal_id, quarantined.received_at, quarantined.answer,
    quarantined.secret_id, coalesce(quarantined.freed_bytes, octet_length(quarantined.body)) AS bytes,
    NULL AS reason, coalesce(quarantined.settlement, 'waiting') AS state, quarantined.settled_at,
    quarantined.recorded_at, NULL AS client_id,
    coalesce(quarantined.signature, convert_to(encode(replay.signature, 'hex'), 'UTF8')) AS signature,
    CASE WHEN quarantined.settled_at IS NULL THEN quarantined.body ELSE replay.body END AS body,
    replay.entry_id AS replayed_by
FROM quarantine AS quarantined
LEFT JOIN entries AS replay ON replay.replays = quarantined.quarantine_id
WHERE quarantined.quarantine_id = ANY (%(ids)s::uuid[])
UNION ALL
SELECT
    refused.entry_id, refused.received_at, 422, refused.secret_id, octet_length(refused.body),
    refused.rejection,
    CASE
        WHEN replay.entry_id IS NOT NULL THEN 'replayed'
        WHEN refused.body IS NULL THEN 'erased'
        ELSE 'waiting'
    END,
    replay.recorded_at, refused.recorded_at, refused.client_id,
    convert_to(encode(refused.signature, 'hex'), 'UTF8'), -- as the header had it
    refused.body, replay.entry_id
FROM entries AS refused
LEFT JOIN entries AS replay ON replay.replays = refused.entry_id
WHERE refused.entry_id = ANY (%(ids)s::uuid[]) AND refused.rejection IS NOT NULL
