-- How many messages stand at each status (no channel), and how many on each channel at each of its statuses.
SELECT NULL AS channel, message_status AS status, count(*) AS messages
FROM message_status
WHERE recorded_at >= %(since)s AND recorded_at < %(until)s
GROUP BY message_status
UNION ALL
SELECT channel, channel_status, count(*)
FROM channel_status
WHERE recorded_at >= %(since)s AND recorded_at < %(until)s
GROUP BY channel, channel_status
ORDER BY channel NULLS FIRST, messages DESC, status
