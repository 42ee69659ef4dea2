-- One page of the messages that have no final status although their time is up, by reference, then message id.
--
-- Final is: delivered or read, ever and on any channel; failed as a whole; or, of a message of which no message
-- status was ever told, failed on its latest channel. Time runs from the first event, and from the registration
-- while there is none. A client sees what it alone registered.
WITH late AS (
    (
        SELECT
            held.message_reference, held.message_id, held.channel, told.second_channel, held.message_status,
            held.channel_status, held.supplier_status, held.occurred_at, told.since
        FROM message_status AS held
        CROSS JOIN LATERAL (
            SELECT
                min(effective_at) AS since,
                coalesce(bool_or(cascade_type = 'secondary' OR cascade_order > 1), false)
                OR coalesce(min(channel) FILTER (WHERE num_nonnulls(channel_status, supplier_status) > 0)
                    <> max(channel) FILTER (WHERE num_nonnulls(channel_status, supplier_status) > 0), false)
                    AS second_channel
            FROM events
            WHERE events.message_id = held.message_id
        ) AS told
        WHERE
            (held.message_reference, held.message_id) > (%(after_reference)s, %(after_message_id)s)
            AND held.delivered_at IS NULL
            AND held.read_at IS NULL
            AND held.message_status IS DISTINCT FROM 'failed'
            AND NOT (
                held.message_status IS NULL
                AND coalesce(held.channel_status, '') IN (
                    'failed', 'permanent_failure', 'technical_failure', 'temporary_failure', 'rejected'
                )
            )
            AND (%(channel)s::text IS NULL OR held.channel = %(channel)s)
            AND (
                %(batch_reference)s::text IS NULL
                OR EXISTS (
                    SELECT FROM registrations AS claim
                    WHERE
                        claim.batch_reference = %(batch_reference)s
                        AND claim.message_reference = held.message_reference
                )
            )
            AND (
                %(client)s::text IS NULL
                OR (
                    EXISTS (
                        SELECT FROM registrations AS claim
                        WHERE claim.message_reference = held.message_reference AND claim.client_id = %(client)s
                    )
                    AND NOT EXISTS (
                        SELECT FROM registrations AS another
                        WHERE another.message_reference = held.message_reference AND another.client_id <> %(client)s
                    )
                )
            )
            AND told.since + make_interval(days => CASE
                WHEN told.second_channel THEN %(secondary)s::integer
                WHEN held.channel = 'nhsapp' THEN %(nhsapp)s::integer
                WHEN held.channel = 'sms' THEN %(sms)s::integer
                WHEN held.channel = 'email' THEN %(email)s::integer
                WHEN held.channel = 'letter' THEN %(letter)s::integer
                ELSE %(no_channel)s::integer
            END) <= %(as_of)s::timestamptz
        ORDER BY held.message_reference, held.message_id
        LIMIT %(most)s::bigint
    )
    UNION ALL
    (
        SELECT DISTINCT
            registered.message_reference, NULL, NULL, false, NULL, NULL, NULL, NULL::timestamptz, first.since
        FROM registrations AS registered
        CROSS JOIN LATERAL (
            SELECT min(recorded_at) AS since
            FROM registrations AS claim
            WHERE claim.message_reference = registered.message_reference
        ) AS first
        WHERE
            %(channel)s::text IS NULL
            AND registered.message_reference > %(after_reference)s
            AND (%(batch_reference)s::text IS NULL OR registered.batch_reference = %(batch_reference)s)
            AND (
                %(client)s::text IS NULL
                OR (
                    registered.client_id = %(client)s
                    AND NOT EXISTS (
                        SELECT FROM registrations AS another
                        WHERE
                            another.message_reference = registered.message_reference
                            AND another.client_id <> %(client)s
                    )
                )
            )
            AND NOT EXISTS (
                SELECT FROM message_status AS held WHERE held.message_reference = registered.message_reference
            )
            AND first.since + make_interval(days => %(no_channel)s::integer) <= %(as_of)s::timestamptz
        ORDER BY registered.message_reference
        LIMIT %(most)s::bigint
    )
    ORDER BY message_reference, message_id
    LIMIT %(most)s::bigint
)

SELECT
    late.message_reference, late.message_id, batches.named AS batch_references, late.channel, late.second_channel,
    late.message_status, late.channel_status, late.supplier_status, late.occurred_at, late.since
FROM late
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(DISTINCT batch_reference ORDER BY batch_reference), '{}') AS named
    FROM registrations AS claim
    WHERE claim.message_reference = late.message_reference
) AS batches
ORDER BY late.message_reference, late.message_id
