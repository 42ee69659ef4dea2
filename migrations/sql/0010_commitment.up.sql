-- What the sealer would hash of an entry's body may stand beside it: whoever appends has the bytes at hand and a
-- processor's own SHA-256, PostgreSQL mostly has neither. It is no evidence: the leaf is, and a verifier hashes anew.

ALTER TABLE entries ADD COLUMN commitment bytea;
COMMENT ON COLUMN entries.commitment IS 'entry_commitment(…) as it was appended; null where the sealer is to make it';

ALTER TABLE entries
    ADD CONSTRAINT entries_commitment_is_sha256 CHECK (octet_length(commitment) = 32) NOT VALID;
ALTER TABLE entries VALIDATE CONSTRAINT entries_commitment_is_sha256;

COMMENT ON COLUMN access_log.peer IS 'from where: the address of the connection, or the one that a trusted proxy tells';

INSERT INTO ledger_grants (role, privilege) VALUES
    ('ledger_service',  'INSERT (commitment) ON entries'),
    ('ledger_operator', 'INSERT (commitment) ON entries');
SELECT grant_ledger_roles();

-- The same bytes as before, with less to put together: fields that are never absent have their marks written out, and
-- a time is moved to 1970 as PostgreSQL keeps it, in whole microseconds, and not by way of decimal arithmetic.
CREATE OR REPLACE FUNCTION leaf_content(
    entry_id uuid, kind text, client_id text, received_at timestamptz, recorded_at timestamptz,
    secret_id text, rules integer, replays uuid, commitment bytea
) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN 'status-ledger/leaf@v1\012'::bytea
        || '\x0100000010'::bytea || uuid_send(entry_id)
        || leaf_field(kind) || leaf_field(client_id)
        || '\x0100000008'::bytea || timestamptz_send(received_at + interval '262968 hours')
        || '\x0100000008'::bytea || timestamptz_send(recorded_at + interval '262968 hours')
        || leaf_field(secret_id)
        || '\x0100000004'::bytea || int4send(rules)
        || leaf_field(uuid_send(replays))
        || '\x0100000020'::bytea || commitment;
