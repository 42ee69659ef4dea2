-- Registrations: which batch, and whose, a message reference belongs to, and a token of its recipient.
--
-- The token is an HMAC under RECIPIENT_KEY: the NHS number itself is nowhere. There is no foreign key to events:
-- a callback may come before its registration, and either may never come.

CREATE TABLE registrations (
    recorded_at       timestamptz NOT NULL DEFAULT now(),
    entry_id          uuid        NOT NULL,
    client_id         text COLLATE "C" NOT NULL,
    batch_reference   text COLLATE "C" NOT NULL,
    message_reference text COLLATE "C" NOT NULL,
    routing_plan_id   text COLLATE "C" NOT NULL,
    recipient_key_id  text COLLATE "C" NOT NULL,
    recipient_token   bytea       NOT NULL,
    salt              bytea       NOT NULL,
    CONSTRAINT registrations_pkey PRIMARY KEY (client_id, batch_reference, message_reference),
    CONSTRAINT registrations_token_is_sha256 CHECK (octet_length(recipient_token) = 32),
    CONSTRAINT registrations_salt_is_128_bits CHECK (octet_length(salt) = 16)
);
COMMENT ON TABLE registrations IS 'What clients said that they send: one row a message of a batch. Append-only, erasable row by row.';
COMMENT ON COLUMN registrations.recipient_token IS 'HMAC-SHA256 of the NHS number under the recipient key';
COMMENT ON COLUMN registrations.recipient_key_id IS 'names the recipient key without telling it';

CREATE INDEX registrations_reference_idx ON registrations (message_reference, client_id);
CREATE INDEX registrations_batch_idx ON registrations (batch_reference, message_reference);
-- The key first: a start then steps from key to key to see which are in use (recipient_keys_in_use.sql).
CREATE INDEX registrations_recipient_idx ON registrations (recipient_key_id, recipient_token);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registrations
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE registrations ENABLE ALWAYS TRIGGER append_only;

INSERT INTO ledger_grants (role, privilege) VALUES
    ('ledger_service', 'SELECT, INSERT (entry_id, client_id, batch_reference, message_reference, routing_plan_id, recipient_key_id, recipient_token, salt) ON registrations'),
    ('ledger_auditor', 'SELECT ON registrations');
SELECT grant_ledger_roles();
