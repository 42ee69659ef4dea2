CREATE OR REPLACE FUNCTION leaf_content(
    entry_id uuid, kind text, client_id text, received_at timestamptz, recorded_at timestamptz,
    secret_id text, rules integer, replays uuid, commitment bytea
) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN convert_to(E'status-ledger/leaf@v1\n', 'UTF8')
        || leaf_field(uuid_send(entry_id)) || leaf_field(kind) || leaf_field(client_id)
        || leaf_field(received_at) || leaf_field(recorded_at) || leaf_field(secret_id)
        || leaf_field(int4send(rules)) || leaf_field(uuid_send(replays)) || leaf_field(commitment);

COMMENT ON COLUMN access_log.peer IS 'from where: the address of the connection, whatever headers claim';
DELETE FROM ledger_grants WHERE privilege = 'INSERT (commitment) ON entries';
ALTER TABLE entries DROP COLUMN commitment;
SELECT grant_ledger_roles();
