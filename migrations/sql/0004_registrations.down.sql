DELETE FROM ledger_grants WHERE privilege LIKE '% ON registrations';
DROP TABLE registrations;
