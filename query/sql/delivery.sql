-- One page of a batch's delivery report: each registered message by reference, a line for each of its channels.
--
-- A message of which no callback has come has one line, with nulls. A failure code is that of the event with the
-- greatest version (effective time, ranks, digest) among those that state one. A client sees what it alone registered.
WITH registered AS (
    SELECT DISTINCT message_reference
    FROM registrations AS claim
    WHERE
        batch_reference = %(batch_reference)s
        AND message_reference >= %(after_reference)s
        AND (
            %(client)s::text IS NULL
            OR (
                client_id = %(client)s
                AND NOT EXISTS (
                    SELECT FROM registrations AS another
                    WHERE another.message_reference = claim.message_reference AND another.client_id <> %(client)s
                )
            )
        )
    ORDER BY message_reference
    LIMIT %(most)s::bigint + 1 -- the first may have been shown whole on the page before
),

page AS (
    SELECT
        registered.message_reference, held.message_id, held.message_status, held.recorded_at, held.occurred_at,
        held.delivered_at, held.read_at, held.failed_at
    FROM registered
    LEFT JOIN message_status AS held USING (message_reference)
    WHERE
        (registered.message_reference, coalesce(held.message_id, ''))
        > (%(after_reference)s, %(after_message_id)s)
    ORDER BY registered.message_reference, held.message_id
    LIMIT %(most)s::bigint
)

SELECT
    page.message_reference, page.message_id, page.message_status, page.recorded_at, page.occurred_at,
    page.delivered_at, page.read_at, page.failed_at, of_message.message_failure_code,
    on_channel.channel, on_channel.channel_status, on_channel.delivered_at AS channel_delivered_at,
    on_channel.read_at AS channel_read_at, on_channel.failed_at AS channel_failed_at,
    of_channel.channel_failure_code
FROM page
LEFT JOIN channel_status AS on_channel USING (message_id)
LEFT JOIN LATERAL (
    SELECT message_failure_code
    FROM events
    WHERE events.message_id = page.message_id AND message_failure_code IS NOT NULL
    ORDER BY
        effective_at DESC, message_status_rank(events.message_status) DESC,
        channel_status_rank(events.channel_status) DESC, supplier_status_rank(supplier_status) DESC, digest DESC
    LIMIT 1
) AS of_message ON true
LEFT JOIN LATERAL (
    SELECT channel_failure_code
    FROM events
    WHERE
        events.message_id = page.message_id AND events.channel = on_channel.channel
        AND channel_failure_code IS NOT NULL
    ORDER BY
        effective_at DESC, message_status_rank(events.message_status) DESC,
        channel_status_rank(events.channel_status) DESC, supplier_status_rank(events.supplier_status) DESC,
        digest DESC
    LIMIT 1
) AS of_channel ON true
ORDER BY page.message_reference, page.message_id, on_channel.channel
