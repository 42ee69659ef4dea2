-- Every registration, as JSON.
SELECT row_to_json(registrations)::text FROM registrations ORDER BY entry_id, message_reference
