-- Appends to the log of who looked; its commit waits like any other, be the line there from an earlier run.
WITH told AS (
    INSERT INTO access_log (access_id, actor, key_id, peer, access, subject, detail)
    VALUES (
        %(access_id)s::uuid, %(actor)s::text, %(key_id)s::text, %(peer)s::text, %(access)s::text,
        %(subject)s::text, %(detail)s::jsonb
    )
    ON CONFLICT DO NOTHING
)
SELECT pg_logical_emit_message(true, 'status-ledger', 'access')
