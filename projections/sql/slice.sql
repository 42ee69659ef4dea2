-- Folds the events of a range of messages: after one, up to and with another (null: to the end).
WITH delivered AS (
    SELECT *
    FROM events
    WHERE message_id > %(after)s
      AND (%(until)s::text IS NULL OR message_id <= %(until)s)
)
/* folds */
SELECT count(*)
FROM events
WHERE message_id > %(after)s
  AND (%(until)s::text IS NULL OR message_id <= %(until)s)
