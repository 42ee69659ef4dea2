-- Keeps a checkpoint that was signed; a second one of the same size is refused.
INSERT INTO checkpoints (incarnation, size, signed_at, root, note)
VALUES (%(incarnation)s, %(size)s, %(signed_at)s, %(root)s, %(note)s)
