DROP INDEX events_key_hash_idx;
CREATE INDEX events_message_id_idx ON events (message_id);
ALTER TABLE events
    DROP CONSTRAINT events_pkey,
    ADD CONSTRAINT events_pkey PRIMARY KEY (key_hash, digest);
