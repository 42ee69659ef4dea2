-- What was erased stays erased, and the entries that say so stay. A quarantined request that was erased is
-- told as discarded from then on: its bytes are gone either way.
DELETE FROM ledger_grants
WHERE role = 'ledger_eraser'
   OR privilege LIKE '% ON access_log'
   OR privilege LIKE '% ON tombstone_salt, erased_messages%';

DROP FUNCTION erase_message;
DROP FUNCTION erasure_told;
DROP FUNCTION states_message;
DROP FUNCTION messages_stated;

DROP TRIGGER erasures_by_the_eraser ON entries;
DROP TRIGGER erased_only ON registrations;
DROP TRIGGER erased_only ON repeats;
DROP TRIGGER erased_only ON events;
DROP TRIGGER erased_only ON entries;
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON repeats
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registrations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE entries ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE events ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE repeats ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE registrations ENABLE ALWAYS TRIGGER append_only;
DROP FUNCTION refuse_erasure_by_others;
DROP FUNCTION refuse_what_no_erasure_names;
DROP FUNCTION refuse_all_but_erasure;
DROP FUNCTION erasure_under_way;
DROP FUNCTION registration_commitment;
DROP FUNCTION is_erased;
DROP FUNCTION message_tombstone;
DROP TABLE erased_messages;
DROP TABLE tombstone_salt;
DROP TABLE access_log;

ALTER TABLE quarantine DISABLE TRIGGER settled_once; -- as a settled row changes no more
UPDATE quarantine SET settlement = 'discarded' WHERE settlement = 'erased';
ALTER TABLE quarantine ENABLE ALWAYS TRIGGER settled_once;
ALTER TABLE quarantine DROP CONSTRAINT quarantine_settlement_known;
ALTER TABLE quarantine
    ADD CONSTRAINT quarantine_settlement_known CHECK (settlement IN ('replayed', 'discarded')) NOT VALID;
ALTER TABLE quarantine VALIDATE CONSTRAINT quarantine_settlement_known;

-- As 0003 has it.
CREATE OR REPLACE FUNCTION grant_ledger_roles() RETURNS void
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
SELECT grant_ledger_roles();
