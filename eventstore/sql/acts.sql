-- Appends acts to the log of what people did. One that an earlier run of the same write had appended stays as
-- it is.
INSERT INTO acts (act_id, actor, act, subject, outcome, reason, detail)
SELECT act_id, actor, act, subject, outcome, reason, detail::jsonb
FROM unnest(
    %(act_id)b::uuid[], %(actor)b::text[], %(act)b::text[], %(subject)b::text[], %(outcome)b::text[],
    %(reason)b::text[], %(detail)b::text[]
) AS done (act_id, actor, act, subject, outcome, reason, detail)
ORDER BY act_id
ON CONFLICT (act_id) DO NOTHING
