-- An erasure waits 50 ms for a lock behind which appends wait, and lets go. A vacuum of the entries, which may take
-- minutes, was waited for so in vain: PostgreSQL cancels an autovacuum only for who has waited for a second. Behind the
-- lock of a vacuum itself no append and no read waits, so that one may be waited for first.
CREATE FUNCTION hold_off_vacuum() RETURNS void
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET lock_timeout = '30s' -- longer than deadlock_timeout
    AS $$
BEGIN
    LOCK TABLE entries IN SHARE UPDATE EXCLUSIVE MODE;
END
$$;
COMMENT ON FUNCTION hold_off_vacuum IS 'Keeps the entries from being vacuumed until the transaction ends.';
REVOKE ALL ON FUNCTION hold_off_vacuum FROM PUBLIC;

-- As with erase_message: these tables, and no others of their names.
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION hold_off_vacuum() SET search_path = pg_catalog, %I, pg_temp', current_schema()
    );
END
$$;

INSERT INTO ledger_grants (role, privilege) VALUES ('ledger_eraser', 'EXECUTE ON FUNCTION hold_off_vacuum()');
SELECT grant_ledger_roles();
