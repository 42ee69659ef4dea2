-- Appends the entry that states the rows which the same transaction has registered.
INSERT INTO entries (entry_id, kind, client_id, received_at, rules, body)
VALUES (
    %(entry_id)b::uuid, 'registration', %(client_id)s::text, %(received_at)b::timestamptz,
    %(rules)s::integer, %(body)b::bytea
)
RETURNING entry_id
