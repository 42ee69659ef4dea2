-- Which log the ledger is sealed in, and how many of its entries are public: those of the last published checkpoint.
SELECT coalesce(incarnation, ''), published_size FROM sealer
