-- Changes what the sealer knows, unless another changed it meanwhile; the one row, or none.
UPDATE sealer
SET
    version = version + 1,
    size = %(size)s,
    signed_size = %(signed_size)s,
    published_size = %(published_size)s,
    incarnation = %(incarnation)s,
    snapshot = %(snapshot)s::pg_snapshot,
    system_identifier = %(system_identifier)s,
    timeline = %(timeline)s,
    swept_at = %(swept_at)s,
    swept_to = %(swept_to)s,
    sealed_at = CASE WHEN size <> %(size)s THEN now() ELSE sealed_at END
WHERE version = %(version)s
RETURNING version
