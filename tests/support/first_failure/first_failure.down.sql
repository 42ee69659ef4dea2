DELETE FROM ledger_grants WHERE privilege LIKE '% ON first_failure';
DROP TABLE first_failure;
