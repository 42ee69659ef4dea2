-- How operators settle what was refused, and the log of what they do.
--
-- A quarantined request is settled once: replayed into the ledger, or discarded. Its row stays and tells that it
-- was there; its bytes go, and with them its room under the caps. A refused entry (422) has no state of its own:
-- it is replayed as soon as an entry says so in `replays`.

CREATE TABLE acts (
    acted_at       timestamptz NOT NULL DEFAULT now(),
    act_id         uuid        NOT NULL,
    actor          text COLLATE "C" NOT NULL,
    database_login text COLLATE "C" NOT NULL DEFAULT session_user,
    act            text COLLATE "C" NOT NULL,
    subject        text COLLATE "C" NOT NULL,
    outcome        text COLLATE "C" NOT NULL,
    reason         text,
    detail         jsonb       NOT NULL,
    CONSTRAINT acts_pkey PRIMARY KEY (act_id),
    CONSTRAINT acts_act_is_thing_and_verb CHECK (act ~ '^[a-z]+\.[a-z]+$')
);
COMMENT ON TABLE acts IS 'What people did to the ledger and beside it: one line an act, written with what was done. Append-only.';
COMMENT ON COLUMN acts.actor IS 'who, as the command or the client was told';
COMMENT ON COLUMN acts.database_login IS 'who, as the database knows it';
COMMENT ON COLUMN acts.act IS 'what: a thing and a verb, such as quarantine.replay';
COMMENT ON COLUMN acts.subject IS 'the id of what it was done to';
COMMENT ON COLUMN acts.detail IS 'what else is worth knowing: ids, counts and hashes, never contents';

CREATE INDEX acts_subject_idx ON acts (subject, acted_at);
CREATE INDEX acts_acted_at_idx ON acts (acted_at, act_id);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON acts
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE acts ENABLE ALWAYS TRIGGER append_only;

-- Settling ---------------------------------------------------------------------------------------------

ALTER TABLE quarantine
    ADD COLUMN settled_at timestamptz,
    ADD COLUMN freed_bytes integer,
    ADD COLUMN settlement text COLLATE "C";
ALTER TABLE quarantine
    ADD CONSTRAINT quarantine_settlement_known CHECK (settlement IN ('replayed', 'discarded')) NOT VALID,
    ADD CONSTRAINT quarantine_settled_whole CHECK (
        num_nonnulls(settled_at, freed_bytes, settlement) IN (0, 3)
        AND (settled_at IS NULL OR (signature IS NULL AND body = ''))
    ) NOT VALID;
ALTER TABLE quarantine VALIDATE CONSTRAINT quarantine_settlement_known;
ALTER TABLE quarantine VALIDATE CONSTRAINT quarantine_settled_whole;
COMMENT ON COLUMN quarantine.signature IS 'the signature header''s bytes as received; null when settled';
COMMENT ON COLUMN quarantine.body IS 'verbatim; empty when settled: a replayed one is in the entry that replays it';
COMMENT ON COLUMN quarantine.settlement IS 'what became of it; who did it, and why, is in acts';
COMMENT ON COLUMN quarantine.freed_bytes IS 'how long the body was: the room that settling freed';

CREATE INDEX quarantine_received_at_idx ON quarantine (received_at, quarantine_id);
CREATE INDEX entries_refused_idx ON entries (received_at, entry_id) WHERE rejection IS NOT NULL;

CREATE FUNCTION refuse_all_but_settling() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'the quarantine forgets nothing, % is refused', TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.settled_at IS NOT NULL
        OR NEW.settled_at IS NULL
        OR NEW.freed_bytes <> octet_length(OLD.body)
        OR (NEW.quarantine_id, NEW.recorded_at, NEW.received_at, NEW.answer, NEW.secret_id)
            IS DISTINCT FROM (OLD.quarantine_id, OLD.recorded_at, OLD.received_at, OLD.answer, OLD.secret_id)
    THEN
        RAISE EXCEPTION 'a quarantined request changes once, when it is settled'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.settlement = 'replayed' AND NOT EXISTS (SELECT FROM entries WHERE replays = NEW.quarantine_id) THEN
        RAISE EXCEPTION 'no entry replays the request that is to be settled as replayed'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION refuse_all_but_settling IS 'The quarantine''s guard: bytes go only once they are in an entry, or somebody discards them.';

CREATE TRIGGER settled_once BEFORE UPDATE ON quarantine
    FOR EACH ROW EXECUTE FUNCTION refuse_all_but_settling();
CREATE TRIGGER never_evicted BEFORE DELETE OR TRUNCATE ON quarantine
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_all_but_settling();
ALTER TABLE quarantine ENABLE ALWAYS TRIGGER settled_once;
ALTER TABLE quarantine ENABLE ALWAYS TRIGGER never_evicted;

INSERT INTO ledger_grants (role, privilege) VALUES
    -- The operator replays and discards: he appends as the service does, and settles, which the service may not.
    ('ledger_operator', 'SELECT ON entries, events, repeats, quarantine, quarantine_usage, acts, message_status, channel_status, alembic_version'),
    ('ledger_operator', 'INSERT (received_at, entry_id, rules, kind, client_id, secret_id, signature, salt, replays, rejection, body) ON entries'),
    ('ledger_operator', 'INSERT (effective_at, occurred_at, content_hash, entry_id, item, cascade_order, retry_count, event_type, message_id, message_reference, channel, message_status, channel_status, supplier_status, message_failure_code, channel_failure_code, cascade_type, idempotency_key, digest) ON events'),
    ('ledger_operator', 'INSERT ON repeats'),
    ('ledger_operator', 'INSERT, UPDATE ON message_status, channel_status'),
    ('ledger_operator', 'UPDATE (settled_at, freed_bytes, settlement, signature, body) ON quarantine'),
    ('ledger_operator', 'UPDATE (requests, bytes) ON quarantine_usage'),
    ('ledger_operator', 'INSERT (act_id, actor, act, subject, outcome, reason, detail) ON acts'),
    ('ledger_auditor',  'SELECT ON acts');
SELECT grant_ledger_roles();
