DROP TABLE channel_status;
DROP TABLE message_status;
DROP FUNCTION register_version(timestamptz, integer, bytea);
DROP FUNCTION lifecycle_rank(text, text, text);
DROP FUNCTION supplier_status_rank(text);
DROP FUNCTION channel_status_rank(text);
DROP FUNCTION message_status_rank(text);
