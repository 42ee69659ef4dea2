-- Keeps a batch of quarantined requests where all of it fits under the caps, and counts it. Returns true
-- where the batch is kept (now, or by an earlier run whose answer was lost), false where the quarantine is full.
WITH offered AS (
    SELECT *
    FROM unnest(
        %(quarantine_id)b::uuid[], %(received_at)b::timestamptz[], %(answer)b::integer[],
        %(secret_id)b::text[], %(signature)b::bytea[], %(body)b::bytea[]
    ) AS request (quarantine_id, received_at, answer, secret_id, signature, body)
),
fresh AS (
    SELECT * FROM offered WHERE quarantine_id NOT IN (
        SELECT quarantine_id FROM quarantine WHERE quarantine_id = ANY (%(quarantine_id)b::uuid[])
    )
),
counted AS (
    UPDATE quarantine_usage SET
        requests = requests + (SELECT count(*) FROM fresh),
        bytes = bytes + (SELECT coalesce(sum(octet_length(body)), 0) FROM fresh)
    WHERE requests + (SELECT count(*) FROM fresh) <= %(most_requests)b::bigint
      AND bytes + (SELECT coalesce(sum(octet_length(body)), 0) FROM fresh) <= %(most_bytes)b::bigint
    RETURNING one_row
),
kept AS (
    INSERT INTO quarantine (quarantine_id, received_at, answer, secret_id, signature, body)
    SELECT quarantine_id, received_at, answer, secret_id, signature, body
    FROM fresh
    WHERE EXISTS (SELECT FROM counted)
    ORDER BY quarantine_id
    RETURNING quarantine_id
)
SELECT
    (SELECT count(*) FROM fresh) = (SELECT count(*) FROM kept)
    -- As in append.sql: a run that finds its rows there already must wait for them like any other.
    AND pg_logical_emit_message(true, 'status-ledger', 'quarantine') IS NOT NULL
