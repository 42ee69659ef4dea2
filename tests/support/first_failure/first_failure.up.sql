-- The first failure of each message: on which channel, with which code.

CREATE TABLE first_failure (
    failed_at  timestamptz NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    channel    text COLLATE "C",
    code       text COLLATE "C",
    version    text COLLATE "C" NOT NULL,
    CONSTRAINT first_failure_pkey PRIMARY KEY (message_id)
);
COMMENT ON TABLE first_failure IS 'Derived: one row a message that failed, folded from events; see projections/sql.';
COMMENT ON COLUMN first_failure.channel IS 'null where the message failed as a whole';

CREATE INDEX first_failure_code_idx ON first_failure (code, failed_at);

INSERT INTO ledger_grants (role, privilege) VALUES
    ('ledger_service', 'SELECT, INSERT, UPDATE ON first_failure'),
    ('ledger_reader',  'SELECT ON first_failure'),
    ('ledger_auditor', 'SELECT ON first_failure');
SELECT grant_ledger_roles();
