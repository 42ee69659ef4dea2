DELETE FROM ledger_grants WHERE role = 'ledger_operator' OR privilege LIKE '% ON acts';

DROP TRIGGER never_evicted ON quarantine;
DROP TRIGGER settled_once ON quarantine;
DROP FUNCTION refuse_all_but_settling();
DROP INDEX entries_refused_idx;
DROP INDEX quarantine_received_at_idx;
DELETE FROM quarantine WHERE settled_at IS NOT NULL; -- whose bytes are gone: they hold nothing any more
ALTER TABLE quarantine
    DROP CONSTRAINT quarantine_settled_whole,
    DROP CONSTRAINT quarantine_settlement_known,
    DROP COLUMN settlement,
    DROP COLUMN freed_bytes,
    DROP COLUMN settled_at;
COMMENT ON COLUMN quarantine.signature IS 'the signature header''s bytes as received';
COMMENT ON COLUMN quarantine.body IS NULL;

DROP TABLE acts;
SELECT grant_ledger_roles();
