-- Folds the judged events into message_status, one row a message.
--
-- Each register keeps the value with the greatest version, each milestone the earliest time; so the
-- result is a function of the set of events, in whatever order and however often they come. The greatest of
-- arrays that begin with a version is the one with the greatest version, and brings its values along.
--
-- The two statuses of the latest channel are copied from the fold into channel_status, which comes first: where
-- this append did not touch that channel, what is held of it is still right.
INSERT INTO message_status AS held (
    message_id, message_reference, occurred_at, recorded_at, message_status, channel,
    channel_status, supplier_status, delivered_at, read_at, failed_at,
    message_status_version, channel_version, latest_version
)
SELECT
    folded.message_id, latest[2], occurred_at, latest[3]::timestamptz, status[2], on_channel[2],
    touched.channel_status, touched.supplier_status, delivered_at, read_at, failed_at,
    status[1], on_channel[1], latest[1]
FROM (
    SELECT
        message_id,
        max(ARRAY[latest_version, message_reference, recorded_at::text]) AS latest,
        max(ARRAY[message_status_version, message_status]) AS status,
        max(CASE WHEN states_channel THEN ARRAY[latest_version, channel] ELSE ARRAY['', NULL] END) AS on_channel,
        max(effective_at) AS occurred_at, -- the first part of the greatest version
        min(effective_at) FILTER (
            WHERE message_status = 'delivered' OR channel_status IN ('delivered', 'read')
        ) AS delivered_at,
        min(effective_at) FILTER (WHERE channel_status = 'read' OR supplier_status = 'read') AS read_at,
        min(effective_at) FILTER (WHERE message_status = 'failed') AS failed_at
    FROM judged
    GROUP BY message_id
) AS folded
LEFT JOIN fold_channel_status AS touched
    ON touched.message_id = folded.message_id AND touched.channel = on_channel[2]
ORDER BY folded.message_id -- one order of locks everywhere
ON CONFLICT (message_id) DO UPDATE SET
    message_reference = CASE WHEN excluded.latest_version > held.latest_version
        THEN excluded.message_reference ELSE held.message_reference END,
    occurred_at = greatest(excluded.occurred_at, held.occurred_at),
    recorded_at = CASE WHEN excluded.latest_version > held.latest_version
        THEN excluded.recorded_at ELSE held.recorded_at END,
    message_status = CASE WHEN excluded.message_status_version > held.message_status_version
        THEN excluded.message_status ELSE held.message_status END,
    channel = CASE WHEN excluded.channel_version > held.channel_version
        THEN excluded.channel ELSE held.channel END,
    channel_status = CASE
        WHEN excluded.channel IS NULL THEN held.channel_status
        WHEN excluded.channel_version > held.channel_version OR excluded.channel = held.channel
            THEN excluded.channel_status
        ELSE coalesce(
            (
                SELECT touched.channel_status FROM fold_channel_status AS touched
                WHERE touched.message_id = held.message_id AND touched.channel = held.channel
            ),
            held.channel_status
        ) END,
    supplier_status = CASE
        WHEN excluded.channel IS NULL THEN held.supplier_status
        WHEN excluded.channel_version > held.channel_version OR excluded.channel = held.channel
            THEN excluded.supplier_status
        ELSE coalesce(
            (
                SELECT touched.supplier_status FROM fold_channel_status AS touched
                WHERE touched.message_id = held.message_id AND touched.channel = held.channel
            ),
            held.supplier_status
        ) END,
    delivered_at = least(excluded.delivered_at, held.delivered_at),
    read_at = least(excluded.read_at, held.read_at),
    failed_at = least(excluded.failed_at, held.failed_at),
    message_status_version = greatest(excluded.message_status_version, held.message_status_version),
    channel_version = greatest(excluded.channel_version, held.channel_version),
    latest_version = greatest(excluded.latest_version, held.latest_version)
RETURNING message_id, message_reference, recorded_at
