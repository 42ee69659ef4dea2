-- The message at which a slice of about `size` events ends; no row where fewer follow.
SELECT message_id
FROM events
WHERE message_id > %(after)s
ORDER BY message_id
OFFSET %(size)s
LIMIT 1
