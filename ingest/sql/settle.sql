-- Settles quarantined requests: blanks what is kept of them, and frees their room under the caps, once.
WITH settled AS (
    UPDATE quarantine SET
        settled_at = now(),
        settlement = %(settlement)s::text,
        freed_bytes = octet_length(body),
        signature = NULL,
        body = ''
    WHERE quarantine_id = ANY (%(ids)b::uuid[]) AND settled_at IS NULL
    RETURNING freed_bytes
)
UPDATE quarantine_usage SET
    requests = requests - (SELECT count(*) FROM settled),
    bytes = bytes - (SELECT coalesce(sum(freed_bytes), 0) FROM settled)
WHERE EXISTS (SELECT FROM settled)
