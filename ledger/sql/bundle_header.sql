-- What the sealer knows, how many entries there are, and the guards, owners and grants of all tables, as JSON.
SELECT json_build_object(
    'format', 'status-ledger/bundle@v1',
    'sealer', (SELECT row_to_json(sealer) FROM sealer),
    'entries', (SELECT count(*) FROM entries),
    'triggers', (
        SELECT coalesce(json_agg(json_build_object('table', relname, 'name', tgname, 'enabled', tgenabled)), '[]')
        FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid
        WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal
    ),
    'owners', (
        SELECT json_agg(json_build_object('table', relname, 'owner', pg_get_userbyid(relowner)))
        FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
    ),
    'grants', (
        SELECT coalesce(json_agg(json_build_object(
            'table', relname,
            'grantee', CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END,
            'privilege', privilege_type
        )), '[]')
        FROM (
            SELECT relname, relowner, granted.*
            FROM pg_class, aclexplode(relacl) AS granted
            WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
            UNION ALL
            SELECT relname, relowner, granted.*
            FROM pg_class
            JOIN pg_attribute ON attrelid = pg_class.oid, aclexplode(attacl) AS granted
            WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
        ) AS every
        WHERE grantee <> relowner
    )
)::text
