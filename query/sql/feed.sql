-- Sealed entries from an index on, in the order of the index: so many at most, and their bodies so many bytes.
SELECT
    index, entry_id, kind, client_id, received_at, recorded_at, secret_id, rules, replays, rejection, body,
    signature, hash
FROM (
    SELECT
        leaves.index, leaves.hash, entries.*,
        sum(coalesce(octet_length(entries.body), 0)) OVER (ORDER BY leaves.index)
            - coalesce(octet_length(entries.body), 0) AS bytes_before
    FROM leaves
    JOIN entries USING (entry_id)
    WHERE leaves.index >= %(start)s::bigint AND leaves.index < least(%(start)s::bigint + %(limit)s, %(public)s)
) AS page
WHERE bytes_before < %(most_bytes)s
ORDER BY index
