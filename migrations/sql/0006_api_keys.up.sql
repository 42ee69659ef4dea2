-- API keys that are issued to clients and auditors, beyond the ones of the environment: hashes, never a key.
--
-- The schema's owner issues and revokes them (`status-ledger keys`); the service may only read what it needs to
-- know one again. A row is evidence of who could read what, and when: it is never deleted, and all that ever
-- happens to it is one revocation.

CREATE TABLE api_keys (
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    key_id     text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    client_id  text COLLATE "C" NOT NULL,
    scopes     text[] COLLATE "C" NOT NULL,
    created_by text COLLATE "C" NOT NULL DEFAULT session_user,
    revoked_by text COLLATE "C",
    salt       bytea NOT NULL,
    hash       bytea NOT NULL,
    CONSTRAINT api_keys_pkey PRIMARY KEY (key_id),
    CONSTRAINT api_keys_name_key UNIQUE (name),
    CONSTRAINT api_keys_names_well_formed CHECK (
        name ~ '^[a-z0-9][a-z0-9._-]{0,63}$' AND client_id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'
    ),
    CONSTRAINT api_keys_client_not_the_services CHECK (client_id NOT IN ('auditor', 'notify')),
    CONSTRAINT api_keys_scopes_known CHECK (
        cardinality(scopes) > 0 AND scopes <@ ARRAY['statuses:read', 'batches:write', 'audit:read']
    ),
    CONSTRAINT api_keys_revocation_whole CHECK ((revoked_at IS NULL) = (revoked_by IS NULL)),
    CONSTRAINT api_keys_salt_is_128_bits CHECK (octet_length(salt) = 16),
    CONSTRAINT api_keys_hash_is_sha256 CHECK (octet_length(hash) = 32)
);
COMMENT ON TABLE api_keys IS 'Keys that were issued to clients and auditors: what knows one again, never the key. Rows are only ever revoked.';
COMMENT ON COLUMN api_keys.client_id IS 'whose key it is; several keys may be one client''s';
COMMENT ON COLUMN api_keys.created_by IS 'the database login that issued it';
COMMENT ON COLUMN api_keys.revoked_by IS 'the database login that revoked it';
COMMENT ON COLUMN api_keys.hash IS 'SHA-256 of the salt and the key';

CREATE TRIGGER never_forgotten BEFORE DELETE OR TRUNCATE ON api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER only_revoked BEFORE UPDATE ON api_keys
    FOR EACH ROW WHEN (
        OLD.revoked_at IS NOT NULL
        OR (NEW.created_at, NEW.key_id, NEW.name, NEW.client_id, NEW.scopes, NEW.created_by, NEW.salt, NEW.hash)
        IS DISTINCT FROM
        (OLD.created_at, OLD.key_id, OLD.name, OLD.client_id, OLD.scopes, OLD.created_by, OLD.salt, OLD.hash)
    ) EXECUTE FUNCTION refuse_change();
-- ALWAYS: session_replication_role = replica does not switch them off.
ALTER TABLE api_keys ENABLE ALWAYS TRIGGER never_forgotten;
ALTER TABLE api_keys ENABLE ALWAYS TRIGGER only_revoked;

INSERT INTO ledger_grants (role, privilege) VALUES
    ('ledger_service', 'SELECT (revoked_at, key_id, client_id, scopes, salt, hash) ON api_keys'),
    ('ledger_auditor', 'SELECT (created_at, revoked_at, key_id, name, client_id, scopes, created_by, revoked_by) ON api_keys');
SELECT grant_ledger_roles();
