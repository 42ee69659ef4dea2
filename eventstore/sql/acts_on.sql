-- Everything that was done to one subject, oldest first.
SELECT acted_at, act_id, actor, database_login, act, subject, outcome, reason, detail
FROM acts
WHERE subject = %(subject)s::text
ORDER BY acted_at, act_id
