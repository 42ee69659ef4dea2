DO $$
BEGIN
    EXECUTE replace(
        replace(
            pg_get_functiondef('erase_message'::regproc),
            'USING (key_hash, digest)',
            'USING (idempotency_key, digest)'
        ),
        'repeats.key_hash = events.key_hash',
        'repeats.idempotency_key = events.idempotency_key'
    );
END
$$;

DROP INDEX repeats_event_idx;
ALTER TABLE repeats DROP COLUMN key_hash;
CREATE INDEX repeats_event_idx ON repeats (idempotency_key, digest);

ALTER TABLE events
    DROP COLUMN key_hash, -- and with it the primary key
    ADD CONSTRAINT events_pkey PRIMARY KEY (idempotency_key, digest);
