DELETE FROM ledger_grants WHERE privilege LIKE '% ON leaves, tiles, checkpoints%' OR privilege LIKE '% ON sealer';
DROP FUNCTION leaf_content;
DROP FUNCTION entry_commitment;
DROP FUNCTION leaf_field(timestamptz);
DROP FUNCTION leaf_field(text);
DROP FUNCTION leaf_field(bytea);
DROP TABLE sealer, checkpoints, tiles, leaves;
