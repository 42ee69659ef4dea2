-- Folds `delivered` (events) into channel_status, one row a message and channel.
--
-- Only events that name a channel and state something of it count; see message_status.sql for the rule.
INSERT INTO channel_status AS held (
    message_id, channel, occurred_at, recorded_at, channel_status, supplier_status,
    delivered_at, read_at, failed_at, channel_status_version, supplier_status_version, latest_version
)
SELECT
    message_id,
    channel,
    (array_agg(effective_at ORDER BY latest_version DESC))[1],
    (array_agg(recorded_at ORDER BY latest_version DESC))[1],
    (array_agg(channel_status ORDER BY channel_status_version DESC))[1],
    (array_agg(supplier_status ORDER BY supplier_status_version DESC))[1],
    min(effective_at) FILTER (WHERE channel_status IN ('delivered', 'read')),
    min(effective_at) FILTER (WHERE channel_status = 'read' OR supplier_status = 'read'),
    min(effective_at) FILTER (WHERE channel_status IN (
        'failed', 'permanent_failure', 'technical_failure', 'temporary_failure', 'rejected'
    )),
    (array_agg(channel_status_version ORDER BY channel_status_version DESC))[1],
    (array_agg(supplier_status_version ORDER BY supplier_status_version DESC))[1],
    (array_agg(latest_version ORDER BY latest_version DESC))[1]
FROM (
    SELECT
        message_id, channel, effective_at, recorded_at, channel_status, supplier_status,
        CASE WHEN channel_status IS NULL THEN ''
             ELSE register_version(effective_at, channel_status_rank(channel_status), digest)
        END AS channel_status_version,
        CASE WHEN supplier_status IS NULL THEN ''
             ELSE register_version(effective_at, supplier_status_rank(supplier_status), digest)
        END AS supplier_status_version,
        register_version(
            effective_at, lifecycle_rank(message_status, channel_status, supplier_status), digest
        ) AS latest_version
    FROM delivered
    WHERE channel IS NOT NULL AND (channel_status IS NOT NULL OR supplier_status IS NOT NULL)
) AS versioned
GROUP BY message_id, channel
ORDER BY message_id, channel -- one order of locks everywhere
ON CONFLICT (message_id, channel) DO UPDATE SET
    occurred_at = CASE WHEN excluded.latest_version > held.latest_version
        THEN excluded.occurred_at ELSE held.occurred_at END,
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
