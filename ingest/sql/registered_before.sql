-- Makes a commit that wrote nothing wait like any other, a synchronous standby included: an earlier run of the
-- same registration wrote what is there, and that may not be safe yet.
SELECT pg_logical_emit_message(true, 'status-ledger', 'registration')
