DELETE FROM ledger_grants WHERE privilege = 'UPDATE (swept_to) ON sealer';
ALTER TABLE sealer DROP COLUMN swept_to;
SELECT grant_ledger_roles();
