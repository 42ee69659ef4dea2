-- The owner of a table and who else may do what with it, ready to be granted again.
SELECT
    pg_get_userbyid(pg_class.relowner) AS owner,
    acl.privilege_type,
    CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(acl.grantee)) END AS grantee
FROM pg_class
LEFT JOIN LATERAL aclexplode(pg_class.relacl) AS acl ON acl.grantee <> pg_class.relowner
WHERE pg_class.relnamespace = %(schema)s::regnamespace AND pg_class.relname = %(name)s
