-- Folds delivered events into first_failure, one row a message that failed, on a channel or as a whole.
--
-- The first failure has the least version: effective time, then digest. No two events share both, so which is the
-- first does not depend on their order; and the least of arrays that begin with it brings channel and code along.
INSERT INTO first_failure AS held (message_id, failed_at, channel, code, version)
SELECT message_id, failed_at, first[2], first[3], first[1]
FROM (
    SELECT
        message_id,
        min(effective_at) AS failed_at, -- the first part of the least version
        min(ARRAY[
            (version_moment(effective_at) || version_tie(digest)) COLLATE "C",
            channel,
            coalesce(channel_failure_code, message_failure_code)
        ]) AS first
    FROM delivered
    WHERE message_status = 'failed'
       OR channel IS NOT NULL AND channel_status IN (
            'failed', 'permanent_failure', 'technical_failure', 'temporary_failure', 'rejected'
        )
    GROUP BY message_id
) AS folded
ORDER BY message_id -- one order of locks everywhere
ON CONFLICT (message_id) DO UPDATE SET
    failed_at = excluded.failed_at,
    channel = excluded.channel,
    code = excluded.code,
    version = excluded.version
WHERE excluded.version < held.version
