-- Folds the judged events into channel_status, one row a message and channel; see message_status.sql.
INSERT INTO channel_status AS held (
    message_id, channel, occurred_at, recorded_at, channel_status, supplier_status,
    delivered_at, read_at, failed_at, channel_status_version, supplier_status_version, latest_version
)
SELECT
    message_id, channel, occurred_at, latest[2]::timestamptz, status[2], supplier[2],
    delivered_at, read_at, failed_at, status[1], supplier[1], latest[1]
FROM (
    SELECT
        message_id,
        channel,
        max(ARRAY[latest_version, recorded_at::text]) AS latest,
        max(ARRAY[channel_status_version, channel_status]) AS status,
        max(ARRAY[supplier_status_version, supplier_status]) AS supplier,
        max(effective_at) AS occurred_at,
        min(effective_at) FILTER (WHERE channel_status IN ('delivered', 'read')) AS delivered_at,
        min(effective_at) FILTER (WHERE channel_status = 'read' OR supplier_status = 'read') AS read_at,
        min(effective_at) FILTER (WHERE channel_status IN (
            'failed', 'permanent_failure', 'technical_failure', 'temporary_failure', 'rejected'
        )) AS failed_at
    FROM judged
    WHERE states_channel
    GROUP BY message_id, channel
) AS folded
ORDER BY message_id, channel -- one order of locks everywhere
ON CONFLICT (message_id, channel) DO UPDATE SET
    occurred_at = greatest(excluded.occurred_at, held.occurred_at),
    recorded_at = CASE WHEN excluded.latest_version > held.latest_version
        THEN excluded.recorded_at ELSE held.recorded_at END,
    channel_status = CASE WHEN excluded.channel_status_version > held.channel_status_version
        THEN excluded.channel_status ELSE held.channel_status END,
    supplier_status = CASE WHEN excluded.supplier_status_version > held.supplier_status_version
        THEN excluded.supplier_status ELSE held.supplier_status END,
    delivered_at = least(excluded.delivered_at, held.delivered_at),
    read_at = least(excluded.read_at, held.read_at),
    failed_at = least(excluded.failed_at, held.failed_at),
    channel_status_version = greatest(excluded.channel_status_version, held.channel_status_version),
    supplier_status_version = greatest(excluded.supplier_status_version, held.supplier_status_version),
    latest_version = greatest(excluded.latest_version, held.latest_version)
RETURNING message_id, channel, channel_status, supplier_status
