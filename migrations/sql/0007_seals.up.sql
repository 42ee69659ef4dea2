-- The sealed ledger: every entry's index, the Merkle tree over them, and the checkpoints that were signed.
--
-- One process at a time seals: it finds the entries that are new, gives them the next indexes, and keeps the hash
-- of each as a leaf. The unique keys are the fence: of two that would give one index, or sign two roots of one
-- size, the second is refused, whatever either believes.

CREATE TABLE leaves (
    index      bigint NOT NULL,
    entry_id   uuid   NOT NULL,
    commitment bytea  NOT NULL,
    hash       bytea  NOT NULL,
    CONSTRAINT leaves_pkey PRIMARY KEY (index),
    CONSTRAINT leaves_entry_id_key UNIQUE (entry_id),
    CONSTRAINT leaves_index_not_negative CHECK (index >= 0),
    CONSTRAINT leaves_hashes_are_sha256 CHECK (octet_length(commitment) = 32 AND octet_length(hash) = 32)
);
COMMENT ON TABLE leaves IS 'The ledger''s one public order: the index of each sealed entry, counted from 0 without gaps. Append-only.';
COMMENT ON COLUMN leaves.commitment IS 'entry_commitment(…): stands for what an erasure blanks';
COMMENT ON COLUMN leaves.hash IS 'SHA-256 of 0x00 and leaf_content(…)';

CREATE TABLE tiles (
    index  bigint  NOT NULL,
    level  integer NOT NULL,
    root   bytea   NOT NULL,
    hashes bytea   NOT NULL,
    CONSTRAINT tiles_pkey PRIMARY KEY (level, index),
    CONSTRAINT tiles_place_possible CHECK (level >= 0 AND index >= 0),
    CONSTRAINT tiles_root_is_sha256 CHECK (octet_length(root) = 32),
    CONSTRAINT tiles_full CHECK (octet_length(hashes) = 256 * 32)
);
COMMENT ON TABLE tiles IS 'Full tiles of the Merkle tree, as C2SP''s tlog-tiles numbers them. Append-only.';
COMMENT ON COLUMN tiles.hashes IS '256 hashes of one height, 8 x level; of leaves at level 0, of the roots of the tiles below elsewhere';
COMMENT ON COLUMN tiles.root IS 'the hash over all of them: one hash of the tile above';

CREATE TABLE checkpoints (
    signed_at   timestamptz NOT NULL,
    size        bigint NOT NULL,
    incarnation text COLLATE "C" NOT NULL,
    root        bytea  NOT NULL,
    note        text   NOT NULL,
    CONSTRAINT checkpoints_pkey PRIMARY KEY (incarnation, size),
    CONSTRAINT checkpoints_size_positive CHECK (size > 0),
    CONSTRAINT checkpoints_root_is_sha256 CHECK (octet_length(root) = 32)
);
COMMENT ON TABLE checkpoints IS 'Signed heads of the Merkle tree. Append-only; published ones are kept outside the database too.';
COMMENT ON COLUMN checkpoints.note IS 'what was signed, with the signature: C2SP''s tlog-checkpoint';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON leaves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tiles
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- ALWAYS: session_replication_role = replica does not switch them off.
ALTER TABLE leaves ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE tiles ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE checkpoints ENABLE ALWAYS TRIGGER append_only;

CREATE TABLE sealer (
    sealed_at         timestamptz,
    swept_at          timestamptz,
    one_row           boolean NOT NULL DEFAULT true,
    version           bigint  NOT NULL DEFAULT 0,
    size              bigint  NOT NULL DEFAULT 0,
    signed_size       bigint  NOT NULL DEFAULT 0,
    published_size    bigint  NOT NULL DEFAULT 0,
    system_identifier bigint,
    timeline          text COLLATE "C",
    incarnation       text COLLATE "C",
    snapshot          pg_snapshot,
    CONSTRAINT sealer_pkey PRIMARY KEY (one_row),
    CONSTRAINT sealer_one_row CHECK (one_row),
    CONSTRAINT sealer_sizes_in_order CHECK (0 <= published_size AND published_size <= signed_size AND signed_size <= size)
);
COMMENT ON TABLE sealer IS 'What the sealer knows from one time to the next. It is no evidence: checkpoints are.';
COMMENT ON COLUMN sealer.version IS 'counts the changes: who would write over another''s is refused';
COMMENT ON COLUMN sealer.snapshot IS 'whatever it saw is sealed';
COMMENT ON COLUMN sealer.incarnation IS 'names this log among those that a restore may have made of the ledger';
COMMENT ON COLUMN sealer.system_identifier IS 'with the timeline: the server on which it worked last';
COMMENT ON COLUMN sealer.published_size IS 'the public ledger: as far as the last checkpoint that lies outside the database';
INSERT INTO sealer DEFAULT VALUES;

-- What a leaf says, byte for byte as eventstore/leaf.py has it ----------------------------------------

CREATE FUNCTION leaf_field(value bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN value IS NULL THEN '\x00'::bytea
                ELSE '\x01'::bytea || int4send(octet_length(value)) || value END;
COMMENT ON FUNCTION leaf_field IS 'A value with its length, so that no two lists of values read alike.';

CREATE FUNCTION leaf_field(value text) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN value IS NULL THEN '\x00'::bytea
                ELSE '\x01'::bytea || int4send(octet_length(value)) || convert_to(value, 'UTF8') END;
COMMENT ON FUNCTION leaf_field(text) IS 'The same of a text.';

CREATE FUNCTION leaf_field(value timestamptz) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    -- The length is written out: PostgreSQL puts these functions into the query, and would convert it twice.
    RETURN CASE WHEN value IS NULL THEN '\x00'::bytea
                ELSE '\x0100000008'::bytea || int8send((extract(epoch FROM value) * 1000000)::bigint) END;
COMMENT ON FUNCTION leaf_field(timestamptz) IS 'The same of a time, in microseconds since 1970.';

CREATE FUNCTION entry_commitment(salt bytea, body bytea, signature bytea, rejection text) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN sha256(
        convert_to(E'status-ledger/commitment@v1\n', 'UTF8')
        || leaf_field(salt) || leaf_field(body) || leaf_field(signature) || leaf_field(rejection)
    );
COMMENT ON FUNCTION entry_commitment IS 'Stands for what an erasure blanks.';

CREATE FUNCTION leaf_content(
    entry_id uuid, kind text, client_id text, received_at timestamptz, recorded_at timestamptz,
    secret_id text, rules integer, replays uuid, commitment bytea
) RETURNS bytea
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN convert_to(E'status-ledger/leaf@v1\n', 'UTF8')
        || leaf_field(uuid_send(entry_id)) || leaf_field(kind) || leaf_field(client_id)
        || leaf_field(received_at) || leaf_field(recorded_at) || leaf_field(secret_id)
        || leaf_field(int4send(rules)) || leaf_field(uuid_send(replays)) || leaf_field(commitment);
COMMENT ON FUNCTION leaf_content IS 'What a leaf of the Merkle tree says of an entry; it stays true when the entry is erased.';

INSERT INTO ledger_grants (role, privilege) VALUES
    -- The service seals what it appends: unique keys and triggers keep it from doing so twice, or taking it back.
    ('ledger_service', 'SELECT, INSERT ON leaves, tiles, checkpoints'),
    ('ledger_service', 'SELECT, UPDATE (sealed_at, swept_at, version, size, signed_size, published_size, system_identifier, timeline, incarnation, snapshot) ON sealer'),
    ('ledger_auditor', 'SELECT ON leaves, tiles, checkpoints, sealer');
SELECT grant_ledger_roles();
