-- The read model: the latest status of every message, and of every message on each channel.
--
-- Every fact is a *register*: a value beside the *version* that won it. A version is one sortable text (effective
-- time, rank, digest; see projections/sql/judged.sql), so the greatest of two is the later fact, whatever came
-- first. A register that nothing has been said of yet has the empty version, which every other exceeds.

-- Ranks break ties in time. Version 1 of the table in projections/lifecycle.py; a status not in it ranks 00.
-- Two digits each, so that they can be put side by side.

CREATE FUNCTION message_status_rank(status text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE status
        WHEN 'created'            THEN '01'
        WHEN 'pending_enrichment' THEN '02'
        WHEN 'enriched'           THEN '03'
        WHEN 'sending'            THEN '04'
        WHEN 'failed'             THEN '05'
        WHEN 'delivered'          THEN '06'
        ELSE '00'
    END;

CREATE FUNCTION channel_status_rank(status text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE status
        WHEN 'created'                THEN '01'
        WHEN 'assigning_batch'        THEN '02'
        WHEN 'stale_pds'              THEN '03'
        WHEN 'retry'                  THEN '04'
        WHEN 'sending'                THEN '05'
        WHEN 'received'               THEN '06'
        WHEN 'notification_attempted' THEN '07'
        WHEN 'notified'               THEN '08'
        WHEN 'unnotified'             THEN '09'
        WHEN 'temporary_failure'      THEN '10'
        WHEN 'technical_failure'      THEN '11'
        WHEN 'rejected'               THEN '12'
        WHEN 'permanent_failure'      THEN '13'
        WHEN 'skipped'                THEN '14'
        WHEN 'failed'                 THEN '15'
        WHEN 'delivered'              THEN '16'
        WHEN 'read'                   THEN '17'
        ELSE '00'
    END;

CREATE FUNCTION supplier_status_rank(status text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE status
        WHEN 'unknown'                THEN '01'
        WHEN 'created'                THEN '02'
        WHEN 'pending'                THEN '03'
        WHEN 'pending_virus_check'    THEN '04'
        WHEN 'accepted'               THEN '05'
        WHEN 'sending'                THEN '06'
        WHEN 'sent'                   THEN '07'
        WHEN 'forwarded'              THEN '08'
        WHEN 'printed'                THEN '09'
        WHEN 'enclosed'               THEN '10'
        WHEN 'dispatched'             THEN '11'
        WHEN 'notification_attempted' THEN '12'
        WHEN 'notified'               THEN '13'
        WHEN 'unnotified'             THEN '14'
        WHEN 'temporary_failure'      THEN '15'
        WHEN 'technical_failure'      THEN '16'
        WHEN 'validation_failed'      THEN '17'
        WHEN 'virus_scan_failed'      THEN '18'
        WHEN 'returned'               THEN '19'
        WHEN 'cancelled'              THEN '20'
        WHEN 'rejected'               THEN '21'
        WHEN 'permanent_failure'      THEN '22'
        WHEN 'failed'                 THEN '23'
        WHEN 'received'               THEN '24'
        WHEN 'delivered'              THEN '25'
        WHEN 'read'                   THEN '26'
        ELSE '00'
    END;

-- Two thousand years are added so that no year's binary form is negative: byte order is then order in time.
-- STABLE and not IMMUTABLE only because PostgreSQL says so of timestamptz + interval.
CREATE FUNCTION version_moment(effective_at timestamptz) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN encode(timestamptz_send(effective_at + interval '17532000 hours'), 'hex');
COMMENT ON FUNCTION version_moment IS 'the first part of a version: effective time, 16 hex digits that sort as it does';

CREATE FUNCTION version_tie(digest bytea) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN encode(substr(digest, 1, 16), 'hex');
COMMENT ON FUNCTION version_tie IS 'the last part of a version: the head of the digest, 32 hex digits';

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
    channel_status         text COLLATE "C",
    supplier_status        text COLLATE "C",
    message_status_version text COLLATE "C" NOT NULL,
    channel_version        text COLLATE "C" NOT NULL,
    latest_version         text COLLATE "C" NOT NULL,
    CONSTRAINT message_status_pkey PRIMARY KEY (message_id),
    CONSTRAINT message_status_register_whole CHECK ((message_status IS NULL) = (message_status_version = '')),
    CONSTRAINT message_status_channel_whole CHECK ((channel IS NULL) = (channel_version = ''))
);
COMMENT ON TABLE message_status IS 'Derived: one row a message, folded from events; see projections/sql.';
COMMENT ON COLUMN message_status.recorded_at IS 'recorded time of the latest event';
COMMENT ON COLUMN message_status.occurred_at IS 'effective time of the latest event';
COMMENT ON COLUMN message_status.channel IS 'the latest channel';
COMMENT ON COLUMN message_status.channel_status IS 'as channel_status has it for the latest channel';
COMMENT ON COLUMN message_status.supplier_status IS 'as channel_status has it for the latest channel';

-- One index for each way to ask for the newest. Times rise, so each value's entries go in at its end; and rows of
-- one append share their time, so PostgreSQL keeps them as one entry. The message id, which breaks ties, is left to a
-- sort of those few.
--
-- "newest" has the time as written in UTC, which sorts the same, so that only a question that asks for no status can
-- be answered by it: PostgreSQL would walk it for a status too, for it takes each to be spread evenly over time.
CREATE INDEX message_status_newest_idx ON message_status (timezone('UTC', recorded_at));
CREATE INDEX message_status_by_status_idx ON message_status (message_status, recorded_at);
CREATE INDEX message_status_by_channel_status_idx ON message_status (channel_status, recorded_at);
CREATE INDEX message_status_by_supplier_status_idx ON message_status (supplier_status, recorded_at);
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
    channel_status_version  text COLLATE "C" NOT NULL,
    supplier_status_version text COLLATE "C" NOT NULL,
    latest_version          text COLLATE "C" NOT NULL,
    CONSTRAINT channel_status_pkey PRIMARY KEY (message_id, channel),
    CONSTRAINT channel_status_register_whole CHECK ((channel_status IS NULL) = (channel_status_version = '')),
    CONSTRAINT channel_status_supplier_whole CHECK ((supplier_status IS NULL) = (supplier_status_version = ''))
);
COMMENT ON TABLE channel_status IS 'Derived: one row a message and channel, folded from events; see projections/sql.';
COMMENT ON COLUMN channel_status.recorded_at IS 'recorded time of the latest event on the channel';
COMMENT ON COLUMN channel_status.occurred_at IS 'effective time of the latest event on the channel';

CREATE INDEX channel_status_newest_idx ON channel_status (channel, timezone('UTC', recorded_at));
CREATE INDEX channel_status_by_status_idx ON channel_status (channel, channel_status, recorded_at);
CREATE INDEX channel_status_by_supplier_status_idx ON channel_status (channel, supplier_status, recorded_at);
