-- Every API key that was ever issued, oldest first, but for what knows it again.
SELECT key_id, name, client_id, scopes, created_at, created_by, revoked_at, revoked_by
FROM api_keys
ORDER BY created_at, key_id
