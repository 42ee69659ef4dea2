-- Lists the requests that were refused and kept, newest first: quarantined ones (401, 403) and refused entries
-- (422). Every filter but the answers may be null; a page goes on before the place where the one before it ended.
-- Replays are looked up one by one, so that a page is read in the order of the index of refused entries and ends
-- there: a join would go through all entries, as PostgreSQL expects few refused ones to wait.
(
    SELECT
        quarantine_id AS refusal_id, received_at, answer, secret_id,
        coalesce(freed_bytes, octet_length(body)) AS bytes, NULL AS reason,
        coalesce(settlement, 'waiting') AS state, settled_at
    FROM quarantine
    WHERE (%(all_states)s::boolean OR settled_at IS NULL)
      AND (%(ids)s::uuid[] IS NULL OR quarantine_id = ANY (%(ids)s::uuid[]))
      AND answer = ANY (%(answers)s::integer[])
      AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s::timestamptz)
      AND (%(until)s::timestamptz IS NULL OR received_at < %(until)s::timestamptz)
      AND %(rejection)s::text IS NULL
      AND (
        %(before_id)s::uuid IS NULL
        OR (received_at, quarantine_id) < (%(before_at)s::timestamptz, %(before_id)s::uuid)
      )
    ORDER BY received_at DESC, quarantine_id DESC
    LIMIT %(limit)s::bigint
)
UNION ALL
(
    SELECT
        refused.entry_id, refused.received_at, 422, refused.secret_id,
        octet_length(refused.body), refused.rejection,
        CASE
            WHEN replay.entry_id IS NOT NULL THEN 'replayed'
            WHEN refused.body IS NULL THEN 'erased'
            ELSE 'waiting'
        END,
        replay.recorded_at
    FROM entries AS refused
    LEFT JOIN LATERAL (
        SELECT entry_id, recorded_at FROM entries WHERE replays = refused.entry_id LIMIT 1
    ) AS replay ON true
    WHERE refused.rejection IS NOT NULL
      AND (
        %(all_states)s::boolean
        OR (
            refused.body IS NOT NULL
            AND (SELECT true FROM entries WHERE replays = refused.entry_id) IS NOT TRUE
        )
      )
      AND (%(ids)s::uuid[] IS NULL OR refused.entry_id = ANY (%(ids)s::uuid[]))
      AND 422 = ANY (%(answers)s::integer[])
      AND (%(since)s::timestamptz IS NULL OR refused.received_at >= %(since)s::timestamptz)
      AND (%(until)s::timestamptz IS NULL OR refused.received_at < %(until)s::timestamptz)
      AND (%(rejection)s::text IS NULL OR strpos(refused.rejection, %(rejection)s::text) > 0)
      AND (
        %(before_id)s::uuid IS NULL
        OR (refused.received_at, refused.entry_id) < (%(before_at)s::timestamptz, %(before_id)s::uuid)
      )
    ORDER BY refused.received_at DESC, refused.entry_id DESC
    LIMIT %(limit)s::bigint
)
ORDER BY received_at DESC, refusal_id DESC
LIMIT %(limit)s::bigint
