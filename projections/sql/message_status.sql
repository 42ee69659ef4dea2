-- Folds `delivered` (events) into message_status, one row a message.
--
-- Each register keeps the value with the greatest version, each milestone the earliest time; so the
-- result is a function of the set of events, in whatever order and however often they come.
INSERT INTO message_status AS held (
    message_id, message_reference, occurred_at, recorded_at, message_status, channel,
    delivered_at, read_at, failed_at, message_status_version, channel_version, latest_version
)
SELECT
    message_id,
    (array_agg(message_reference ORDER BY latest_version DESC))[1],
    (array_agg(effective_at ORDER BY latest_version DESC))[1],
    (array_agg(recorded_at ORDER BY latest_version DESC))[1],
    (array_agg(message_status ORDER BY message_status_version DESC))[1],
    (array_agg(channel ORDER BY channel_version DESC))[1],
    min(effective_at) FILTER (WHERE message_status = 'delivered' OR channel_status IN ('delivered', 'read')),
    min(effective_at) FILTER (WHERE channel_status = 'read' OR supplier_status = 'read'),
    min(effective_at) FILTER (WHERE message_status = 'failed'),
    (array_agg(message_status_version ORDER BY message_status_version DESC))[1],
    (array_agg(channel_version ORDER BY channel_version DESC))[1],
    (array_agg(latest_version ORDER BY latest_version DESC))[1]
FROM (
    SELECT
        message_id, message_reference, effective_at, recorded_at, message_status, channel_status, supplier_status,
        CASE WHEN states_channel THEN channel END AS channel,
        CASE WHEN message_status IS NULL THEN ''
             ELSE register_version(effective_at, message_status_rank(message_status), digest)
        END AS message_status_version,
        CASE WHEN states_channel THEN latest_version ELSE '' END AS channel_version,
        latest_version
    FROM delivered
    CROSS JOIN LATERAL (
        SELECT
            channel IS NOT NULL AND (channel_status IS NOT NULL OR supplier_status IS NOT NULL) AS states_channel,
            register_version(
                effective_at, lifecycle_rank(message_status, channel_status, supplier_status), digest
            ) AS latest_version
    ) AS judged
) AS versioned
GROUP BY message_id
ORDER BY message_id -- one order of locks everywhere
ON CONFLICT (message_id) DO UPDATE SET
    message_reference = CASE WHEN excluded.latest_version > held.latest_version
        THEN excluded.message_reference ELSE held.message_reference END,
    occurred_at = CASE WHEN excluded.latest_version > held.latest_version
        THEN excluded.occurred_at ELSE held.occurred_at END,
    recorded_at = CASE WHEN excluded.latest_version > held.latest_version
        THEN excluded.recorded_at ELSE held.recorded_at END,
    message_status = CASE WHEN excluded.message_status_version > held.message_status_version
        THEN excluded.message_status ELSE held.message_status END,
    channel = CASE WHEN excluded.channel_version > held.channel_version
        THEN excluded.channel ELSE held.channel END,
    delivered_at = least(excluded.delivered_at, held.delivered_at),
    read_at = least(excluded.read_at, held.read_at),
    failed_at = least(excluded.failed_at, held.failed_at),
    message_status_version = greatest(excluded.message_status_version, held.message_status_version),
    channel_version = greatest(excluded.channel_version, held.channel_version),
    latest_version = greatest(excluded.latest_version, held.latest_version)
