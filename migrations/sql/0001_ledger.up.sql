-- The ledger: append-only tables, their guards, the quarantine, and the roles that may use them.
--
-- Ids, keys and statuses are COLLATE "C": byte order, the same in Python, on another server, after a restore.
-- There are no foreign keys between the ledger's tables: one statement writes them together, a verifier
-- re-derives events from entries, and a check a row would be paid on every callback.

CREATE TABLE entries (
    recorded_at    timestamptz NOT NULL DEFAULT now(),
    received_at    timestamptz NOT NULL,
    transaction_id xid8        NOT NULL DEFAULT pg_current_xact_id(),
    entry_id       uuid        NOT NULL,
    rules          integer     NOT NULL,
    kind           text COLLATE "C" NOT NULL,
    client_id      text COLLATE "C" NOT NULL,
    secret_id      text COLLATE "C",
    signature      bytea,
    salt           bytea,
    replays        uuid,
    rejection      text COLLATE "C",
    body           bytea,
    CONSTRAINT entries_pkey PRIMARY KEY (entry_id),
    CONSTRAINT entries_kind_known CHECK (kind IN ('callback', 'registration', 'erasure')),
    CONSTRAINT entries_signature_is_sha256 CHECK (octet_length(signature) = 32),
    CONSTRAINT entries_only_callbacks_are_rejected CHECK (rejection IS NULL OR kind = 'callback')
);
COMMENT ON TABLE entries IS 'The ledger''s lines: one a write request whose sender is proven, verbatim. Append-only.';
COMMENT ON COLUMN entries.recorded_at IS 'the database''s clock';
COMMENT ON COLUMN entries.received_at IS 'the service''s clock';
COMMENT ON COLUMN entries.transaction_id IS 'finds what is new since a snapshot; no order is promised';
COMMENT ON COLUMN entries.rules IS 'version of the parser that read the body';
COMMENT ON COLUMN entries.rejection IS 'the reason of a 422; null where the request was accepted';
COMMENT ON COLUMN entries.replays IS 'the entry or quarantined request that this one replays';

CREATE INDEX entries_transaction_id_idx ON entries (transaction_id);
CREATE UNIQUE INDEX entries_replays_key ON entries (replays) WHERE replays IS NOT NULL;

CREATE TABLE events (
    recorded_at          timestamptz NOT NULL DEFAULT now(),
    effective_at         timestamptz NOT NULL,
    occurred_at          timestamptz,
    content_hash         bigint      NOT NULL,
    entry_id             uuid        NOT NULL,
    item                 integer     NOT NULL,
    cascade_order        integer,
    retry_count          integer,
    event_type           text COLLATE "C" NOT NULL,
    message_id           text COLLATE "C" NOT NULL,
    message_reference    text COLLATE "C" NOT NULL,
    channel              text COLLATE "C",
    message_status       text COLLATE "C",
    channel_status       text COLLATE "C",
    supplier_status      text COLLATE "C",
    message_failure_code text COLLATE "C",
    channel_failure_code text COLLATE "C",
    cascade_type         text COLLATE "C",
    idempotency_key      text COLLATE "C" NOT NULL,
    digest               bytea       NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY (idempotency_key, digest),
    CONSTRAINT events_digest_is_sha256 CHECK (octet_length(digest) = 32)
);
COMMENT ON TABLE events IS 'What entries mean: one immutable fact about one message. Append-only.';
COMMENT ON COLUMN events.effective_at IS 'when the fact counts from: the supplier''s claim, at most 5 minutes after receipt; the receipt without one';
COMMENT ON COLUMN events.occurred_at IS 'the supplier''s claim';
COMMENT ON COLUMN events.content_hash IS 'head of the SHA-256 without the timestamp: two of one key that differ are a conflict';
COMMENT ON COLUMN events.digest IS 'SHA-256 of the item in canonical form (RFC 8785), metadata left out';

CREATE INDEX events_message_id_idx ON events (message_id);
CREATE INDEX events_entry_id_idx ON events (entry_id);

CREATE TABLE repeats (
    entry_id        uuid    NOT NULL,
    item            integer NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    digest          bytea   NOT NULL,
    CONSTRAINT repeats_pkey PRIMARY KEY (entry_id, item)
);
COMMENT ON TABLE repeats IS 'Items that delivered an event again. Append-only.';

CREATE INDEX repeats_event_idx ON repeats (idempotency_key, digest);

-- Guards ---------------------------------------------------------------------------------------------

CREATE FUNCTION refuse_change() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only, % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON repeats
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- ALWAYS: session_replication_role = replica does not switch them off.
ALTER TABLE entries ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE events ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE repeats ENABLE ALWAYS TRIGGER append_only;

-- Apart from the ledger: requests of which only half the proof was right -------------------------------

CREATE TABLE quarantine (
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    received_at   timestamptz NOT NULL,
    quarantine_id uuid        NOT NULL,
    answer        integer     NOT NULL,
    secret_id     text COLLATE "C",
    signature     bytea,
    body          bytea       NOT NULL,
    CONSTRAINT quarantine_pkey PRIMARY KEY (quarantine_id),
    CONSTRAINT quarantine_answer_known CHECK (answer IN (401, 403))
);
COMMENT ON TABLE quarantine IS 'Callbacks answered 401 with a right signature, or 403 with a right API key, verbatim.';
COMMENT ON COLUMN quarantine.secret_id IS 'which secret verified the signature of a 401; null for a 403';
COMMENT ON COLUMN quarantine.signature IS 'the signature header''s bytes as received';

CREATE TABLE quarantine_usage (
    one_row  boolean NOT NULL DEFAULT true,
    requests bigint  NOT NULL DEFAULT 0,
    bytes    bigint  NOT NULL DEFAULT 0,
    CONSTRAINT quarantine_usage_pkey PRIMARY KEY (one_row),
    CONSTRAINT quarantine_usage_one_row CHECK (one_row),
    CONSTRAINT quarantine_usage_not_negative CHECK (requests >= 0 AND bytes >= 0)
);
COMMENT ON TABLE quarantine_usage IS 'How full the quarantine is; every insert into it counts here in the same statement.';
INSERT INTO quarantine_usage DEFAULT VALUES;
