-- Every signed checkpoint, as JSON.
SELECT row_to_json(checkpoints)::text FROM checkpoints ORDER BY incarnation, size
