-- Who looked, newest first; every filter may be null.
SELECT accessed_at, access_id, actor, key_id, peer, database_login, access, subject, detail
FROM access_log
WHERE (%(actor)s::text IS NULL OR strpos(actor, %(actor)s::text) > 0)
  AND (%(access)s::text IS NULL OR strpos(access, %(access)s::text) > 0)
  AND (%(subject)s::text IS NULL OR subject = %(subject)s::text)
  AND (%(since)s::timestamptz IS NULL OR accessed_at >= %(since)s::timestamptz)
  AND (%(until)s::timestamptz IS NULL OR accessed_at < %(until)s::timestamptz)
ORDER BY accessed_at DESC, access_id DESC
LIMIT %(limit)s::bigint
