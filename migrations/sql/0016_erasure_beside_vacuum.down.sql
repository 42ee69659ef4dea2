DELETE FROM ledger_grants WHERE role = 'ledger_eraser' AND privilege = 'EXECUTE ON FUNCTION hold_off_vacuum()';
DROP FUNCTION hold_off_vacuum();
SELECT grant_ledger_roles();
