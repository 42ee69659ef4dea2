-- Who may do what. Roles belong to the whole server: one that exists already is used as it is, and a
-- migration without the right to create roles says so and goes on.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['ledger_service', 'ledger_operator', 'ledger_reader', 'ledger_auditor', 'ledger_eraser'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
                EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN
                    NULL; -- another database of this server was migrated at the same moment
                WHEN insufficient_privilege THEN
                    RAISE WARNING 'role % does not exist and may not be created by %: create it and migrate again, or run the service under a login with these grants', wanted, current_user;
            END;
        END IF;
    END LOOP;
END
$$;

-- What each role may do. A later migration adds lines for what it adds; `grant_ledger_roles` makes them so.
CREATE TABLE ledger_grants (
    role      text COLLATE "C" NOT NULL,
    privilege text COLLATE "C" NOT NULL,
    CONSTRAINT ledger_grants_pkey PRIMARY KEY (role, privilege)
);
COMMENT ON TABLE ledger_grants IS 'What each role of the ledger may do, as GRANT has it: applied by grant_ledger_roles().';

INSERT INTO ledger_grants (role, privilege) VALUES
    -- The service appends, folds, and reads. Times and transaction ids are the database's to give.
    ('ledger_service', 'SELECT ON entries, events, repeats, quarantine, quarantine_usage, message_status, channel_status, alembic_version'),
    ('ledger_service', 'INSERT (received_at, entry_id, rules, kind, client_id, secret_id, signature, salt, replays, rejection, body) ON entries'),
    ('ledger_service', 'INSERT (effective_at, occurred_at, content_hash, entry_id, item, cascade_order, retry_count, event_type, message_id, message_reference, channel, message_status, channel_status, supplier_status, message_failure_code, channel_failure_code, cascade_type, idempotency_key, digest) ON events'),
    ('ledger_service', 'INSERT ON repeats'),
    ('ledger_service', 'INSERT (received_at, quarantine_id, answer, secret_id, signature, body) ON quarantine'),
    ('ledger_service', 'UPDATE (requests, bytes) ON quarantine_usage'),
    ('ledger_service', 'INSERT, UPDATE ON message_status, channel_status'),
    -- A reader sees the current status, and nothing of the ledger.
    ('ledger_reader',  'SELECT ON message_status, channel_status'),
    -- An auditor reads all of the ledger and what is derived from it.
    ('ledger_auditor', 'SELECT ON entries, events, repeats, message_status, channel_status, alembic_version, ledger_grants');
    -- The eraser has no grant of its own: it will act through one function.

-- Gives each role that exists what its lines say, and takes from it whatever else it was ever given. Run again
-- by `status-ledger migrate` after every upgrade, so that roles that came later get theirs.
CREATE FUNCTION grant_ledger_roles() RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    existing text;
    granted text;
BEGIN
    LOCK TABLE ledger_grants IN EXCLUSIVE MODE; -- two at once would alter the same lines of PostgreSQL's catalogue
    FOR existing IN
        SELECT rolname FROM pg_roles
        WHERE rolname IN ('ledger_service', 'ledger_operator', 'ledger_reader', 'ledger_auditor', 'ledger_eraser')
    LOOP
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', current_schema(), existing);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), existing);
        FOR granted IN SELECT privilege FROM ledger_grants WHERE role = existing LOOP
            EXECUTE format('GRANT %s TO %I', granted, existing);
        END LOOP;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION grant_ledger_roles() FROM PUBLIC;
COMMENT ON FUNCTION grant_ledger_roles IS 'Gives each role of the ledger exactly the grants that it needs; the owner may run it at any time.';

SELECT grant_ledger_roles();
