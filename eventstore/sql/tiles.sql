-- Keeps tiles of one level of the Merkle tree that have become full.
INSERT INTO tiles (level, index, root, hashes)
SELECT %(level)s, index, root, hashes
FROM unnest(%(index)s::bigint[], %(root)s::bytea[], %(hashes)s::bytea[]) AS tile (index, root, hashes)
