-- The checkpoint up to which the ledger is public: signed, and anchored outside the database.
SELECT checkpoints.note
FROM sealer
JOIN checkpoints ON checkpoints.incarnation = sealer.incarnation AND checkpoints.size = sealer.published_size
