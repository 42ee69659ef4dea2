-- Roles belong to the whole server and may serve another database: what they were granted here goes, they stay.
DO $$
DECLARE
    existing text;
BEGIN
    FOR existing IN
        SELECT rolname FROM pg_roles
        WHERE rolname IN ('ledger_service', 'ledger_operator', 'ledger_reader', 'ledger_auditor', 'ledger_eraser')
    LOOP
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', current_schema(), existing);
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I', current_schema(), existing);
    END LOOP;
END
$$;

DROP FUNCTION grant_ledger_roles();
DROP TABLE ledger_grants;
