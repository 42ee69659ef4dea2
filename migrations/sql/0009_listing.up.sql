-- The listing: registered messages in the order of their newest event, so that a page of a batch or of a recipient
-- is read from an index however many messages it has.
--
-- An append keeps it in step for the registrations that it sees. What a registration could not see, messages that
-- were there before it or that came while it was under way, is listed a moment later; until then the registration
-- is in `unlisted_registrations`, and its messages are looked up one by one. So every read is exact. See
-- projections/listing.py.

CREATE TABLE listed_messages (
    recorded_at       timestamptz NOT NULL,
    message_id        text COLLATE "C" NOT NULL,
    client_id         text COLLATE "C" NOT NULL,
    batch_reference   text COLLATE "C" NOT NULL,
    message_reference text COLLATE "C" NOT NULL,
    recipient_token   bytea       NOT NULL,
    CONSTRAINT listed_messages_pkey PRIMARY KEY (message_id, client_id, batch_reference, message_reference)
);
COMMENT ON TABLE listed_messages IS 'Derived: one row a message and registration of its reference, from message_status and registrations.';
COMMENT ON COLUMN listed_messages.recorded_at IS 'as message_status has it';
COMMENT ON COLUMN listed_messages.message_reference IS 'under which the message was listed; message_status may have another since';

CREATE INDEX listed_messages_batch_idx ON listed_messages (batch_reference, recorded_at);
CREATE INDEX listed_messages_recipient_idx ON listed_messages (recipient_token, recorded_at);

CREATE TABLE unlisted_registrations (
    entry_id        uuid NOT NULL,
    client_id       text COLLATE "C" NOT NULL,
    batch_reference text COLLATE "C" NOT NULL,
    CONSTRAINT unlisted_registrations_pkey PRIMARY KEY (client_id, batch_reference, entry_id)
);
COMMENT ON TABLE unlisted_registrations IS 'Registrations of which not all messages may be in listed_messages yet.';

CREATE INDEX unlisted_registrations_batch_idx ON unlisted_registrations (batch_reference);

CREATE TABLE listing (
    one_row  boolean NOT NULL DEFAULT true,
    begun_at timestamptz,
    CONSTRAINT listing_pkey PRIMARY KEY (one_row),
    CONSTRAINT listing_one_row CHECK (one_row)
);
COMMENT ON TABLE listing IS 'Whether registrations are listed.';
COMMENT ON COLUMN listing.begun_at IS 'null: not yet, for a service of an older version may append, which keeps nothing listed; a rebuild begins it';
INSERT INTO listing (begun_at) SELECT CASE WHEN NOT EXISTS (SELECT FROM entries) THEN now() END;

-- Whoever registers, a service of an older version too.
CREATE FUNCTION note_unlisted() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unlisted_registrations (entry_id, client_id, batch_reference)
    SELECT DISTINCT entry_id, client_id, batch_reference
    FROM registered
    ORDER BY client_id, batch_reference, entry_id -- one order of locks everywhere
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION note_unlisted IS 'Notes that the messages of new registrations are not listed yet.';
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION note_unlisted() SET search_path = pg_catalog, %I, pg_temp', current_schema());
END
$$;

-- The trigger first: it waits for registrations under way, and what comes later is noted by it.
CREATE TRIGGER unlisted_first AFTER INSERT ON registrations
    REFERENCING NEW TABLE AS registered
    FOR EACH STATEMENT EXECUTE FUNCTION note_unlisted();
ALTER TABLE registrations ENABLE ALWAYS TRIGGER unlisted_first;
INSERT INTO unlisted_registrations (entry_id, client_id, batch_reference)
SELECT DISTINCT entry_id, client_id, batch_reference FROM registrations;

INSERT INTO ledger_grants (role, privilege) VALUES
    ('ledger_service',  'SELECT, INSERT, UPDATE ON listed_messages'),
    ('ledger_service',  'SELECT, INSERT, DELETE ON unlisted_registrations'),
    ('ledger_service',  'SELECT ON listing'),
    -- A replay appends, and so lists.
    ('ledger_operator', 'SELECT (client_id, batch_reference, message_reference, recipient_token) ON registrations'),
    ('ledger_operator', 'SELECT, INSERT, UPDATE ON listed_messages'),
    ('ledger_auditor',  'SELECT ON listed_messages, unlisted_registrations, listing');
SELECT grant_ledger_roles();
