-- The read model: the latest status of every message, and of every message on each channel.
--
-- Every fact is a *register*: a value beside the *version* that won it. A version is one sortable value,
-- so the greatest of two is the later fact, whatever came first. A register that nothing has been said
-- of yet has the empty version, which every other exceeds.

-- Ranks break ties in time. Version 1 of the table in projections/lifecycle.py; a status not in it ranks 0.

CREATE FUNCTION message_status_rank(status text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(array_position(ARRAY[
        'created', 'pending_enrichment', 'enriched', 'sending', 'failed', 'delivered'
    ] COLLATE "C", status), 0);

CREATE FUNCTION channel_status_rank(status text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(array_position(ARRAY[
        'created', 'assigning_batch', 'stale_pds', 'retry', 'sending', 'received',
        'notification_attempted', 'notified', 'unnotified', 'temporary_failure',
        'technical_failure', 'rejected', 'permanent_failure', 'skipped', 'failed', 'delivered',
        'read'
    ] COLLATE "C", status), 0);

CREATE FUNCTION supplier_status_rank(status text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(array_position(ARRAY[
        'unknown', 'created', 'pending', 'pending_virus_check', 'accepted', 'sending', 'sent',
        'forwarded', 'printed', 'enclosed', 'dispatched', 'notification_attempted', 'notified',
        'unnotified', 'temporary_failure', 'technical_failure', 'validation_failed',
        'virus_scan_failed', 'returned', 'cancelled', 'rejected', 'permanent_failure', 'failed',
        'received', 'delivered', 'read'
    ] COLLATE "C", status), 0);

CREATE FUNCTION lifecycle_rank(message_status text, channel_status text, supplier_status text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN message_status_rank(message_status) * 10000
         + channel_status_rank(channel_status) * 100
         + supplier_status_rank(supplier_status);
COMMENT ON FUNCTION lifecycle_rank IS 'the message''s rank, then the channel''s, then the supplier''s, absent lowest';

-- STABLE and not IMMUTABLE only because PostgreSQL says so of timestamptz + interval. Two thousand years are
-- added so that the binary form of an earlier year is not negative: byte order is then order in time.
CREATE FUNCTION register_version(effective_at timestamptz, rank integer, digest bytea) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN timestamptz_send(effective_at + interval '17532000 hours') || int4send(rank) || digest;
COMMENT ON FUNCTION register_version IS 'effective time (8 bytes), rank (4), digest (32): compares as the three in that order';

CREATE TABLE message_status (
    recorded_at            timestamptz NOT NULL,
    occurred_at            timestamptz NOT NULL,
    delivered_at           timestamptz,
    read_at                timestamptz,
    failed_at              timestamptz,
    message_id             text COLLATE "C" NOT NULL,
    message_reference      text COLLATE "C" NOT NULL,
    message_status         text COLLATE "C",
    channel                text COLLATE "C",
    message_status_version bytea NOT NULL,
    channel_version        bytea NOT NULL,
    latest_version         bytea NOT NULL,
    CONSTRAINT message_status_pkey PRIMARY KEY (message_id),
    CONSTRAINT message_status_register_whole CHECK ((message_status IS NULL) = (message_status_version = '')),
    CONSTRAINT message_status_channel_whole CHECK ((channel IS NULL) = (channel_version = ''))
);
COMMENT ON TABLE message_status IS 'Derived: one row a message, folded from events; see projections/sql.';
COMMENT ON COLUMN message_status.recorded_at IS 'recorded time of the latest event';
COMMENT ON COLUMN message_status.occurred_at IS 'effective time of the latest event';
COMMENT ON COLUMN message_status.channel IS 'the latest channel';

CREATE INDEX message_status_newest_idx ON message_status (recorded_at DESC, message_id);
CREATE INDEX message_status_reference_idx ON message_status (message_reference);

CREATE TABLE channel_status (
    recorded_at             timestamptz NOT NULL,
    occurred_at             timestamptz NOT NULL,
    delivered_at            timestamptz,
    read_at                 timestamptz,
    failed_at               timestamptz,
    message_id              text COLLATE "C" NOT NULL,
    channel                 text COLLATE "C" NOT NULL,
    channel_status          text COLLATE "C",
    supplier_status         text COLLATE "C",
    channel_status_version  bytea NOT NULL,
    supplier_status_version bytea NOT NULL,
    latest_version          bytea NOT NULL,
    CONSTRAINT channel_status_pkey PRIMARY KEY (message_id, channel),
    CONSTRAINT channel_status_register_whole CHECK ((channel_status IS NULL) = (channel_status_version = '')),
    CONSTRAINT channel_status_supplier_whole CHECK ((supplier_status IS NULL) = (supplier_status_version = ''))
);
COMMENT ON TABLE channel_status IS 'Derived: one row a message and channel, folded from events; see projections/sql.';
COMMENT ON COLUMN channel_status.recorded_at IS 'recorded time of the latest event on the channel';
COMMENT ON COLUMN channel_status.occurred_at IS 'effective time of the latest event on the channel';

CREATE INDEX channel_status_newest_idx ON channel_status (channel, recorded_at DESC, message_id);
