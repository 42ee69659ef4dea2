-- Holds quarantined requests against everyone else who would settle them, until this transaction ends; in the
-- order of their ids, the same for everyone.
SELECT quarantine_id
FROM quarantine
WHERE quarantine_id = ANY (%(ids)b::uuid[])
ORDER BY quarantine_id
FOR UPDATE
