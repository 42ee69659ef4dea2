-- Which rows of the read model are not what the fold of the message's events gives; none where all are.
, message_says AS (
    SELECT
        recorded_at, message_id, message_reference, channel, channel_status, supplier_status, message_status,
        occurred_at, delivered_at, read_at, failed_at
    FROM read_message_status
),
message_shows AS (
    SELECT
        recorded_at, message_id, message_reference, channel, channel_status, supplier_status, message_status,
        occurred_at, delivered_at, read_at, failed_at
    FROM message_status
    WHERE message_id = %(message_id)s
),
channels_say AS (
    SELECT
        channel, recorded_at, channel_status, supplier_status, occurred_at, delivered_at, read_at, failed_at
    FROM read_channel_status
),
channels_show AS (
    SELECT
        channel, recorded_at, channel_status, supplier_status, occurred_at, delivered_at, read_at, failed_at
    FROM channel_status
    WHERE message_id = %(message_id)s
)
SELECT 'message_status' AS differing, '' AS channel
FROM ((TABLE message_says EXCEPT TABLE message_shows) UNION ALL (TABLE message_shows EXCEPT TABLE message_says)) AS one
UNION
SELECT 'channel_status', channel
FROM ((TABLE channels_say EXCEPT TABLE channels_show) UNION ALL (TABLE channels_show EXCEPT TABLE channels_say)) AS one
ORDER BY differing DESC, channel
