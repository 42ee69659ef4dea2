DROP TABLE channel_status;
DROP TABLE message_status;
DROP FUNCTION version_tie(bytea);
DROP FUNCTION version_moment(timestamptz);
DROP FUNCTION supplier_status_rank(text);
DROP FUNCTION channel_status_rank(text);
DROP FUNCTION message_status_rank(text);
