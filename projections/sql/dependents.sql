-- What hangs on a table beside the indexes and constraints that are known of it, and would be lost with it: views,
-- triggers, policies, foreign keys, publications, indexes made by hand.
SELECT pg_describe_object(classid, objid, 0)
FROM pg_depend
LEFT JOIN pg_constraint ON classid = 'pg_constraint'::regclass AND pg_constraint.oid = objid
LEFT JOIN pg_class AS index ON classid = 'pg_class'::regclass AND index.oid = objid
WHERE refclassid = 'pg_class'::regclass
  AND refobjid = (
      SELECT pg_class.oid
      FROM pg_class
      JOIN pg_namespace ON pg_namespace.oid = relnamespace
      WHERE nspname = %(live)s AND relname = %(name)s
  )
  AND deptype IN ('a', 'n') -- automatic, normal: neither a part of the table nor of an extension
  AND classid <> 'pg_attrdef'::regclass
  AND coalesce(contype, '') <> 'n' -- NOT NULL, which PostgreSQL 18 keeps among the constraints
  AND coalesce(conname, index.relname, '') <> ALL (%(known)s::text[])
GROUP BY classid, objid
ORDER BY 1
