-- Judges each delivered event: the version with which it stands in every register, '' where it states nothing.
--
-- A version is effective time, rank, digest, in hex and digits of a fixed width, so that the greater text is the
-- later fact. An event counts on a channel only if it names the channel and states something of it. Where it was
-- said and by which key goes along, for the timeline.
SELECT
    idempotency_key, key_hash, digest, content_hash, entry_id, item,
    message_id, message_reference, channel, message_status, channel_status, supplier_status,
    effective_at, recorded_at, states_channel,
    CASE WHEN message_status IS NULL THEN '' ELSE moment || message_rank || tie END COLLATE "C"
        AS message_status_version,
    CASE WHEN channel_status IS NULL THEN '' ELSE moment || channel_rank || tie END COLLATE "C"
        AS channel_status_version,
    CASE WHEN supplier_status IS NULL THEN '' ELSE moment || supplier_rank || tie END COLLATE "C"
        AS supplier_status_version,
    (moment || message_rank || channel_rank || supplier_rank || tie) COLLATE "C" AS latest_version
FROM (
    SELECT
        *,
        channel IS NOT NULL AND (channel_status IS NOT NULL OR supplier_status IS NOT NULL) AS states_channel,
        version_moment(effective_at) AS moment,
        message_status_rank(message_status) AS message_rank,
        channel_status_rank(channel_status) AS channel_rank,
        supplier_status_rank(supplier_status) AS supplier_rank,
        version_tie(digest) AS tie
    FROM delivered
    OFFSET 0 -- once for each event: without it PostgreSQL writes each expression out wherever it is used
) AS ranked
