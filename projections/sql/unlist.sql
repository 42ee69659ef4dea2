-- Notes every registration as not listed, so that reads look its messages up one by one.
INSERT INTO unlisted_registrations (entry_id, client_id, batch_reference)
SELECT DISTINCT entry_id, client_id, batch_reference FROM registrations
ON CONFLICT DO NOTHING
