-- What a table has been given beside its form, as the statements that give the same to its shadow: its owner, its
-- storage parameters, and its grants.
WITH live AS (
    SELECT
        pg_class.oid, relowner, relacl, reloptions,
        quote_ident(%(shadow)s) || '.' || quote_ident(relname) AS shadow
    FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = %(live)s AND relname = %(name)s
),
granted AS (
    SELECT acl.*, '' AS columns
    FROM live, aclexplode(relacl) AS acl
    UNION ALL
    SELECT acl.*, ' (' || quote_ident(attname) || ')'
    FROM live JOIN pg_attribute ON attrelid = live.oid, aclexplode(attacl) AS acl
)
SELECT 'ALTER TABLE ' || shadow || ' OWNER TO ' || relowner::regrole
FROM live
UNION ALL
SELECT 'ALTER TABLE ' || shadow || ' SET (' || array_to_string(reloptions, ', ') || ')'
FROM live
WHERE reloptions IS NOT NULL
UNION ALL
SELECT
    'GRANT ' || privilege_type || columns || ' ON ' || shadow
    || ' TO ' || CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
    || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
FROM live, granted
WHERE grantee <> relowner
