-- Revokes an API key, and returns it as it was before; one revoked earlier stays so. No row for an unknown one.
WITH revoked AS (
    UPDATE api_keys
    SET revoked_at = now(), revoked_by = session_user
    WHERE key_id = %(key_id)s AND revoked_at IS NULL
)
SELECT key_id, name, client_id, scopes, created_at, created_by, revoked_at, revoked_by
FROM api_keys
WHERE key_id = %(key_id)s
