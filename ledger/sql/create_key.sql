-- Keeps a new API key: its hash, never the key. Gives no row where the client has a key already and was not meant.
INSERT INTO api_keys (key_id, name, client_id, scopes, salt, hash)
SELECT
    %(key_id)s, %(name)s, %(client_id)s::text, %(scopes)s::text[], %(salt)s::bytea, %(hash)s::bytea
WHERE %(client_is_meant)s::boolean
   OR NOT EXISTS (SELECT FROM api_keys WHERE client_id = %(client_id)s::text)
RETURNING key_id
