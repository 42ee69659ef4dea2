-- Erasure without forging, and the log of who looked.
--
-- An erasure blanks what entries say of one message and removes what was derived from them, and an entry of kind
-- `erasure`, of the same transaction, names what went. The guards hold it to that: without such an entry, and
-- beyond what it names, a change is refused to everyone, the owner included.

-- Who looked -------------------------------------------------------------------------------------------

CREATE TABLE access_log (
    accessed_at    timestamptz NOT NULL DEFAULT now(),
    access_id      uuid        NOT NULL,
    actor          text COLLATE "C" NOT NULL,
    key_id         text COLLATE "C",
    peer           text COLLATE "C",
    database_login text COLLATE "C" NOT NULL DEFAULT session_user,
    access         text COLLATE "C" NOT NULL,
    subject        text COLLATE "C",
    detail         jsonb       NOT NULL,
    CONSTRAINT access_log_pkey PRIMARY KEY (access_id)
);
COMMENT ON TABLE access_log IS 'Who looked at what: one line before each look. Identifiers, never contents. Append-only.';
COMMENT ON COLUMN access_log.actor IS 'who: the client of the API key, or the operator';
COMMENT ON COLUMN access_log.key_id IS 'names an issued key; null for one of the environment, and for a command';
COMMENT ON COLUMN access_log.peer IS 'from where: the address of the connection, whatever headers claim';
COMMENT ON COLUMN access_log.database_login IS 'under which login, as the database knows it';
COMMENT ON COLUMN access_log.access IS 'what: a route, such as GET /api/entries/{entry_id}, or a command';
COMMENT ON COLUMN access_log.subject IS 'the id of what was looked at; null where it is not one thing';
COMMENT ON COLUMN access_log.detail IS 'what else was asked, such as known_at';

CREATE INDEX access_log_accessed_at_idx ON access_log (accessed_at, access_id);
CREATE INDEX access_log_subject_idx ON access_log (subject, accessed_at);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE access_log ENABLE ALWAYS TRIGGER append_only;

-- What was erased --------------------------------------------------------------------------------------

-- A tombstone knows an erased message again and does not tell it. The salt is this ledger's own, so that nobody
-- can tell by its tombstone that two ledgers erased the same message.
CREATE TABLE tombstone_salt (
    one_row boolean NOT NULL DEFAULT true,
    salt    bytea   NOT NULL,
    CONSTRAINT tombstone_salt_pkey PRIMARY KEY (one_row),
    CONSTRAINT tombstone_salt_one_row CHECK (one_row),
    CONSTRAINT tombstone_salt_is_256_bits CHECK (octet_length(salt) = 32)
);
COMMENT ON TABLE tombstone_salt IS 'The salt of this ledger''s tombstones, made once. Append-only.';
INSERT INTO tombstone_salt (salt) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

CREATE TABLE erased_messages (
    erased_at  timestamptz NOT NULL DEFAULT now(),
    erasure_id uuid        NOT NULL,
    tombstone  bytea       NOT NULL,
    CONSTRAINT erased_messages_pkey PRIMARY KEY (tombstone),
    CONSTRAINT erased_messages_tombstone_is_sha256 CHECK (octet_length(tombstone) = 32)
);
COMMENT ON TABLE erased_messages IS 'Tombstones of erased messages: an append keeps no content of them. Append-only.';
COMMENT ON COLUMN erased_messages.erasure_id IS 'the erasure entry that says who erased it, and why';
COMMENT ON COLUMN erased_messages.tombstone IS 'SHA-256 of the ledger''s salt and the message id';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tombstone_salt
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON erased_messages
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE tombstone_salt ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE erased_messages ENABLE ALWAYS TRIGGER append_only;

CREATE FUNCTION message_tombstone(message_id text) RETURNS bytea
    LANGUAGE sql STABLE
    AS $$ SELECT sha256(salt || convert_to(message_id, 'UTF8')) FROM tombstone_salt $$;

-- A function, so that PostgreSQL takes the look for cheap: with a join it found the append's plan for any batch so
-- much dearer than that for a batch of one that it planned each small one anew, at thrice the cost.
CREATE FUNCTION is_erased(message_id text) RETURNS boolean
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM erased_messages
        WHERE tombstone = (SELECT sha256(salt || convert_to(message_id, 'UTF8')) FROM tombstone_salt)
    );
END
$$;
COMMENT ON FUNCTION is_erased IS 'Whether a message was erased before this statement began.';

CREATE FUNCTION registration_commitment(salt bytea, message_reference text, recipient_token bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    RETURN sha256(salt || convert_to(message_reference, 'UTF8') || recipient_token);
COMMENT ON FUNCTION registration_commitment IS 'what stands for a row of registrations in the body of its entry: ingest/registrations.py';

-- Guards -----------------------------------------------------------------------------------------------

CREATE FUNCTION erasure_under_way() RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
        SELECT convert_from(body, 'UTF8')::jsonb
        FROM entries
        WHERE transaction_id = pg_current_xact_id_if_assigned() AND kind = 'erasure'
    $$;
COMMENT ON FUNCTION erasure_under_way IS 'What the erasure entry of this very transaction names; null where there is none.';

CREATE FUNCTION refuse_all_but_erasure() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    -- The one change that an erasure makes to this table; erased_only sees to it that only what is named goes.
    IF TG_OP = TG_ARGV[0] AND erasure_under_way() IS NOT NULL THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% is append-only, % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
COMMENT ON FUNCTION refuse_all_but_erasure IS 'The guard of what an erasure may touch, before a statement.';

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_all_but_erasure('UPDATE');
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_all_but_erasure('DELETE');
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON repeats
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_all_but_erasure('DELETE');
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registrations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_all_but_erasure('DELETE');
ALTER TABLE entries ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE events ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE repeats ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE registrations ENABLE ALWAYS TRIGGER append_only;

-- After a statement: of entries, callbacks that the erasure names were blanked and nothing else of them changed;
-- of the others, the rows that went are those of the erased message and of the named entries.
CREATE FUNCTION refuse_what_no_erasure_names() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    erasure jsonb := erasure_under_way();
    named uuid[] := ARRAY(SELECT jsonb_array_elements_text(erasure -> 'entries')::uuid);
    erased bytea := decode(erasure ->> 'tombstone', 'hex');
    unnamed boolean;
BEGIN
    CASE TG_TABLE_NAME
    WHEN 'entries' THEN
        SELECT count(*) > 0 INTO unnamed
        FROM gone FULL JOIN blank USING (entry_id)
        WHERE entry_id NOT IN (SELECT unnest(named))
           OR gone.kind IS DISTINCT FROM 'callback'
           OR num_nonnulls(blank.body, blank.salt, blank.signature, blank.rejection) > 0
           OR (gone.recorded_at, gone.received_at, gone.transaction_id, gone.rules, gone.kind, gone.client_id,
                gone.secret_id, gone.replays)
              IS DISTINCT FROM
              (blank.recorded_at, blank.received_at, blank.transaction_id, blank.rules, blank.kind,
                blank.client_id, blank.secret_id, blank.replays);
    WHEN 'events' THEN
        SELECT count(*) > 0 INTO unnamed
        FROM gone
        WHERE entry_id NOT IN (SELECT unnest(named)) OR message_tombstone(message_id) <> erased;
    WHEN 'repeats' THEN
        SELECT count(*) > 0 INTO unnamed FROM gone WHERE entry_id NOT IN (SELECT unnest(named));
    WHEN 'registrations' THEN
        SELECT count(*) > 0 INTO unnamed
        FROM gone
        WHERE encode(registration_commitment(salt, message_reference, recipient_token), 'hex')
            NOT IN (SELECT jsonb_array_elements_text(erasure -> 'registrations'));
    END CASE;
    IF unnamed IS NOT false THEN
        RAISE EXCEPTION '% is append-only, % of what the erasure does not name is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION refuse_what_no_erasure_names IS 'The guard of what an erasure may touch, after a statement.';

CREATE TRIGGER erased_only AFTER UPDATE ON entries
    REFERENCING OLD TABLE AS gone NEW TABLE AS blank
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_what_no_erasure_names();
CREATE TRIGGER erased_only AFTER DELETE ON events
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION refuse_what_no_erasure_names();
CREATE TRIGGER erased_only AFTER DELETE ON repeats
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION refuse_what_no_erasure_names();
CREATE TRIGGER erased_only AFTER DELETE ON registrations
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION refuse_what_no_erasure_names();
ALTER TABLE entries ENABLE ALWAYS TRIGGER erased_only;
ALTER TABLE events ENABLE ALWAYS TRIGGER erased_only;
ALTER TABLE repeats ENABLE ALWAYS TRIGGER erased_only;
ALTER TABLE registrations ENABLE ALWAYS TRIGGER erased_only;

CREATE FUNCTION refuse_erasure_by_others() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RAISE EXCEPTION 'an erasure entry is written by erase_message alone'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION refuse_erasure_by_others IS 'Whoever may append could else claim that something was erased which was cut out.';

CREATE TRIGGER erasures_by_the_eraser BEFORE INSERT ON entries
    FOR EACH ROW WHEN (NEW.kind = 'erasure') EXECUTE FUNCTION refuse_erasure_by_others();
ALTER TABLE entries ENABLE ALWAYS TRIGGER erasures_by_the_eraser;

-- squawk-ignore ban-drop-constraint -- the known values grow; the next statement puts it back
ALTER TABLE quarantine DROP CONSTRAINT quarantine_settlement_known;
ALTER TABLE quarantine
    ADD CONSTRAINT quarantine_settlement_known CHECK (settlement IN ('replayed', 'discarded', 'erased')) NOT VALID;
ALTER TABLE quarantine VALIDATE CONSTRAINT quarantine_settlement_known;

-- The eraser -------------------------------------------------------------------------------------------

CREATE FUNCTION messages_stated(body bytea) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ARRAY(
        SELECT DISTINCT stated #>> '{}'
        FROM jsonb_path_query(convert_from(body, 'UTF8')::jsonb, 'lax $.data[*].attributes.messageId') AS stated
    );
EXCEPTION
    WHEN data_exception OR program_limit_exceeded OR statement_too_complex THEN
        RETURN NULL; -- whatever a refused body may be
END
$$;
COMMENT ON FUNCTION messages_stated IS 'The message ids that the bytes of a callback state; null where they are no JSON.';

CREATE FUNCTION states_message(body bytea, message_id text) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    quoted bytea := convert_to(to_json(message_id)::text, 'UTF8');
    stated text[];
BEGIN
    IF position(quoted IN body) = 0 THEN
        RETURN false; -- most are none of this message's, and need not be parsed
    END IF;
    stated := messages_stated(body);
    IF stated IS NULL THEN
        RETURN position('"messageId":'::bytea || quoted IN body) > 0
            OR position('"messageId": '::bytea || quoted IN body) > 0;
    END IF;
    RETURN message_id = ANY (stated);
END
$$;
COMMENT ON FUNCTION states_message IS 'Whether the bytes of a callback that was refused speak of a message, its id written unescaped.';

CREATE FUNCTION erasure_told(erasure uuid) RETURNS jsonb
    LANGUAGE sql STABLE
    AS $$
        SELECT told - '{by,reason,legalBasis,tombstone,entries,quarantined}'::text[] || jsonb_build_object(
            'outcome', 'erased',
            'shared', jsonb '[]',
            'carrying', (SELECT coalesce(jsonb_object_agg(id, jsonb '[]'), '{}') FROM jsonb_array_elements_text(told -> 'entries') AS id),
            'held', (SELECT coalesce(jsonb_object_agg(id, jsonb '[]'), '{}') FROM jsonb_array_elements_text(told -> 'quarantined') AS id)
        )
        FROM entries CROSS JOIN LATERAL (SELECT convert_from(body, 'UTF8')::jsonb) AS erasing (told)
        WHERE entry_id = erasure
    $$;
COMMENT ON FUNCTION erasure_told IS 'What an earlier run of the same erasure did, as far as its entry tells.';

-- Blanks what the ledger holds of one message, and appends the entry that says so, in the caller's transaction.
-- Returns what is meant or was done. `outcome` is
--   erased       done now, or by an earlier run whose answer was lost
--   not erased   only looked
--   others       nothing done: entries carry other messages too, and whole_entry is false
--   already      erased before, and nothing came since
--   unknown      the ledger holds nothing of this message
-- Appends wait while it works, and it does not wait for a lock of theirs longer than 50 ms at a time: run it again
-- where that was too short (lock_not_available).
CREATE FUNCTION erase_message(
    message text, acting text, why text, basis text, whole_entry boolean, look_only boolean, erasure uuid
) RETURNS jsonb
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET lock_timeout = '50ms'
    AS $$
DECLARE
    refused uuid[];
    held jsonb;
    carrying_it jsonb;
    stated integer;
    repeated integer;
    known_as text[];
    shared text[];
    commitments text[];
    report jsonb;
    projected regclass;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'erase_message must see what is committed while it waits: use READ COMMITTED'
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
    INSERT INTO access_log (access_id, actor, access, subject, detail)
    VALUES (erasure, acting, 'erase', message, jsonb_build_object('look_only', look_only))
    ON CONFLICT (access_id) DO NOTHING;

    -- Refused ones first: they have no events, so each must be read, and nobody should wait for that.
    refused := ARRAY(
        SELECT entry_id FROM entries WHERE rejection IS NOT NULL AND states_message(body, message)
    );
    IF NOT look_only THEN
        -- Quarantined requests before entries: the order of who replays them.
        PERFORM FROM quarantine
        WHERE settled_at IS NULL AND states_message(body, message)
        ORDER BY quarantine_id
        FOR UPDATE;
        IF NOT pg_try_advisory_xact_lock_shared(1470570199) THEN -- projections/refold.py: REBUILD_LOCK
            RAISE EXCEPTION 'a rebuild is running, and would bring the message back'
                USING ERRCODE = 'object_in_use';
        END IF;
        -- Whoever appends now either has committed, and is seen, or waits, and sees the tombstone.
        LOCK TABLE entries IN SHARE ROW EXCLUSIVE MODE;
        IF EXISTS (SELECT FROM entries WHERE entry_id = erasure) THEN
            RETURN erasure_told(erasure);
        END IF;
    END IF;

    SELECT coalesce(jsonb_object_agg(quarantine_id, to_jsonb(array_remove(messages_stated(body), message))), '{}')
    INTO held
    FROM quarantine
    WHERE settled_at IS NULL AND states_message(body, message);

    -- Each entry that carries the message, with the other messages that it carries.
    WITH delivering AS (
        SELECT entry_id FROM events WHERE message_id = message
        UNION
        SELECT repeats.entry_id
        FROM events JOIN repeats USING (idempotency_key, digest)
        WHERE events.message_id = message
    ),
    carrying AS (
        SELECT entry_id FROM delivering
        UNION
        SELECT unnest(refused)
        UNION -- what one of them replays, whose bytes are the same
        SELECT replayed.entry_id
        FROM delivering
        JOIN entries AS replay USING (entry_id)
        JOIN entries AS replayed ON replayed.entry_id = replay.replays
    ),
    carried AS (
        SELECT carrying.entry_id, events.message_id FROM carrying JOIN events USING (entry_id)
        UNION
        SELECT carrying.entry_id, events.message_id
        FROM carrying
        JOIN repeats USING (entry_id)
        JOIN events USING (idempotency_key, digest)
        UNION
        SELECT carrying.entry_id, unnest(messages_stated(body))
        FROM carrying
        JOIN entries USING (entry_id)
        WHERE rejection IS NOT NULL
    )
    SELECT coalesce(jsonb_object_agg(entry_id, others), '{}') INTO carrying_it
    FROM (
        SELECT
            carrying.entry_id,
            coalesce(
                jsonb_agg(carried.message_id ORDER BY carried.message_id)
                    FILTER (WHERE carried.message_id <> message),
                '[]'
            ) AS others
        FROM carrying
        LEFT JOIN carried USING (entry_id)
        GROUP BY carrying.entry_id
    ) AS one;

    SELECT count(*), array_agg(DISTINCT message_reference) INTO stated, known_as
    FROM events
    WHERE message_id = message;
    SELECT count(*) INTO repeated
    FROM events JOIN repeats USING (idempotency_key, digest)
    WHERE events.message_id = message;
    -- A reference that another message has too is that one's as well: its registration goes with the last of them.
    shared := ARRAY(
        SELECT DISTINCT message_reference
        FROM message_status
        WHERE message_reference = ANY (known_as) AND message_id <> message
        ORDER BY message_reference
    );
    commitments := ARRAY(
        SELECT encode(registration_commitment(salt, message_reference, recipient_token), 'hex')
        FROM registrations
        WHERE message_reference = ANY (known_as) AND message_reference <> ALL (shared)
        ORDER BY entry_id, message_reference
    );

    report := jsonb_build_object(
        'carrying', carrying_it,
        'held', held,
        'events', stated,
        'repeats', repeated,
        'registrations', to_jsonb(commitments),
        'shared', to_jsonb(shared)
    );
    IF carrying_it = '{}' AND held = '{}' THEN
        RETURN report || jsonb_build_object(
            'outcome',
            CASE WHEN EXISTS (SELECT FROM erased_messages WHERE tombstone = message_tombstone(message))
                THEN 'already' ELSE 'unknown' END
        );
    END IF;
    IF look_only THEN
        RETURN report || '{"outcome": "not erased"}';
    END IF;
    IF NOT whole_entry AND EXISTS (
        SELECT FROM jsonb_each(carrying_it || held) WHERE value <> '[]' AND value <> 'null'
    ) THEN
        RETURN report || '{"outcome": "others"}';
    END IF;

    -- The entry comes first: the guards ask for it.
    INSERT INTO entries (received_at, entry_id, rules, kind, client_id, body)
    VALUES (
        clock_timestamp(), erasure, 1, 'erasure', 'operator',
        convert_to(
            jsonb_build_object(
                'entries', (SELECT coalesce(jsonb_agg(key ORDER BY key), '[]') FROM jsonb_object_keys(carrying_it) AS key),
                'quarantined', (SELECT coalesce(jsonb_agg(key ORDER BY key), '[]') FROM jsonb_object_keys(held) AS key),
                'registrations', to_jsonb(commitments),
                'events', stated,
                'repeats', repeated,
                'tombstone', encode(message_tombstone(message), 'hex'),
                'by', acting,
                'reason', why,
                'legalBasis', basis
            )::text,
            'UTF8'
        )
    );
    UPDATE entries SET body = NULL, salt = NULL, signature = NULL, rejection = NULL
    WHERE entry_id IN (SELECT key::uuid FROM jsonb_object_keys(carrying_it) AS key)
      AND num_nonnulls(body, salt, signature, rejection) > 0;
    DELETE FROM repeats
    USING events
    WHERE events.message_id = message
      AND repeats.idempotency_key = events.idempotency_key
      AND repeats.digest = events.digest;
    DELETE FROM events WHERE message_id = message;
    DELETE FROM registrations
    WHERE message_reference = ANY (known_as) AND message_reference <> ALL (shared);

    -- The read model: every projected table that has a row for a message, and what a crashed rebuild left of one.
    -- Only tables of the ledger's owner: a trigger of anybody else's would run with the owner's rights.
    FOR projected IN
        SELECT pg_class.oid::regclass
        FROM pg_class AS ours
        JOIN pg_class ON pg_class.relowner = ours.relowner
        JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'message_id' AND NOT attisdropped
        JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace
        WHERE ours.oid = 'entries'::regclass
          AND (pg_namespace.oid = ours.relnamespace OR nspname IN ('ledger_shadow', 'ledger_replaced'))
          AND pg_class.relkind = 'r'
          AND pg_class.relname <> 'events'
        ORDER BY nspname, pg_class.relname -- one order of locks everywhere: channel_status before message_status
    LOOP
        EXECUTE format('DELETE FROM %s WHERE message_id = $1', projected) USING message;
    END LOOP;

    WITH settled AS (
        UPDATE quarantine SET
            settled_at = now(),
            settlement = 'erased',
            freed_bytes = octet_length(body),
            signature = NULL,
            body = ''
        WHERE quarantine_id IN (SELECT key::uuid FROM jsonb_object_keys(held) AS key)
        RETURNING freed_bytes
    )
    UPDATE quarantine_usage SET
        requests = requests - (SELECT count(*) FROM settled),
        bytes = bytes - (SELECT coalesce(sum(freed_bytes), 0) FROM settled)
    WHERE EXISTS (SELECT FROM settled);

    INSERT INTO erased_messages (erasure_id, tombstone)
    VALUES (erasure, message_tombstone(message))
    ON CONFLICT (tombstone) DO NOTHING;
    INSERT INTO acts (act_id, actor, act, subject, outcome, reason, detail)
    VALUES (
        erasure, acting, 'message.erase', erasure::text, 'erased', why,
        jsonb_build_object(
            'legal_basis', basis,
            'entries', (SELECT count(*) FROM jsonb_object_keys(carrying_it)),
            'quarantined', (SELECT count(*) FROM jsonb_object_keys(held)),
            'events', stated,
            'repeats', repeated,
            'registrations', cardinality(commitments)
        )
    );
    RETURN report || '{"outcome": "erased"}';
END
$$;
COMMENT ON FUNCTION erase_message IS 'The one way to erase: docs/erasure.md.';
REVOKE ALL ON FUNCTION erase_message FROM PUBLIC;

-- A guard, and a function that works with its owner's rights, must find these tables and no others of their names.
DO $$
DECLARE
    guarded regprocedure;
BEGIN
    FOR guarded IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace
          AND proname IN (
            'message_tombstone', 'erasure_under_way', 'refuse_all_but_erasure', 'refuse_what_no_erasure_names',
            'refuse_erasure_by_others', 'erasure_told', 'erase_message'
          )
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, %I, pg_temp', guarded, current_schema());
    END LOOP;
END
$$;

-- Grants -----------------------------------------------------------------------------------------------

-- As before, and functions too: what a role may execute is what its lines say, and what everybody may.
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
        EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA %I FROM %I', current_schema(), existing);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), existing);
        FOR granted IN SELECT privilege FROM ledger_grants WHERE role = existing LOOP
            EXECUTE format('GRANT %s TO %I', granted, existing);
        END LOOP;
    END LOOP;
END
$$;

INSERT INTO ledger_grants (role, privilege) VALUES
    -- Who appends must know what was erased; who lets somebody look says so first.
    ('ledger_service',  'SELECT ON tombstone_salt, erased_messages'),
    ('ledger_service',  'INSERT (access_id, actor, key_id, peer, access, subject, detail) ON access_log'),
    ('ledger_operator', 'SELECT ON tombstone_salt, erased_messages'),
    ('ledger_operator', 'INSERT (access_id, actor, key_id, peer, access, subject, detail) ON access_log'),
    ('ledger_auditor',  'SELECT ON tombstone_salt, erased_messages, access_log'),
    -- The eraser acts through one function; the version of the schema is what a start looks at.
    ('ledger_eraser',   'EXECUTE ON FUNCTION erase_message(text, text, text, text, boolean, boolean, uuid)'),
    ('ledger_eraser',   'SELECT ON alembic_version');
SELECT grant_ledger_roles();
