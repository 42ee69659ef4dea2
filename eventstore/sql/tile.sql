-- Keeps a tile of the Merkle tree that has become full.
INSERT INTO tiles (level, index, root, hashes) VALUES (%(level)s, %(index)s, %(root)s, %(hashes)s)
