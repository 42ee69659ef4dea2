DELETE FROM ledger_grants WHERE privilege LIKE '% ON api_keys';
DROP TABLE api_keys;
