-- What the service must know of the API keys that are in use, to know one of them again.
SELECT key_id, client_id, scopes, salt, hash
FROM api_keys
WHERE revoked_at IS NULL
