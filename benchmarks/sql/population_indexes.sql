-- What drops and makes again the indexes of the tables that are filled, keys included, in the order to make them.
SELECT
    CASE WHEN conname IS NULL THEN format('DROP INDEX %I', index.relname)
        ELSE format('ALTER TABLE %I DROP CONSTRAINT %I', held.relname, conname) END,
    CASE WHEN conname IS NULL THEN pg_get_indexdef(indexrelid)
        ELSE format('ALTER TABLE %I ADD CONSTRAINT %I %s', held.relname, conname, pg_get_constraintdef(pg_constraint.oid)) END
FROM pg_index
JOIN pg_class AS index ON index.oid = indexrelid
JOIN pg_class AS held ON held.oid = indrelid
LEFT JOIN pg_constraint ON conindid = indexrelid AND contype IN ('p', 'u')
WHERE indrelid IN ('entries'::regclass, 'events'::regclass, 'registrations'::regclass)
ORDER BY held.relname, conname IS NULL, index.relname
