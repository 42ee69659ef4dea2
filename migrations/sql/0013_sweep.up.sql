-- A look at the whole ledger at once holds the sealer up for as long as it takes, and does so longer every day.
ALTER TABLE sealer ADD COLUMN swept_to uuid;
COMMENT ON COLUMN sealer.swept_to IS 'how far the sweep under way has come; null where none is';

INSERT INTO ledger_grants (role, privilege) VALUES ('ledger_service', 'UPDATE (swept_to) ON sealer');
SELECT grant_ledger_roles();
