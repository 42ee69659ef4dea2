-- One page of what the ledger holds of the message at a cut, by effective time, each line with its marks.
--
-- A line's place is its event's version (`latest_version` of judged.sql), which begins with the effective time; of
-- a registration or a refused entry it is the receipt alone, before all events of that moment. Marks are of the
-- whole cut, so each page goes through all events of the message, but only its own lines leave PostgreSQL. This
-- goes on from cut.sql, with relations of its own.
, marked AS (
    SELECT
        *,
        coalesce(min(recorded_at) OVER of_later_effect < recorded_at, false) AS late,
        min(content_hash) OVER of_its_key <> max(content_hash) OVER of_its_key AS conflict,
        count(*) OVER of_its_content > 1 AS restated,
        CASE WHEN states_channel THEN latest_version ELSE '' END AS channel_version,
        max(ARRAY[message_status_version, message_status]) OVER by_effect AS message_status_before,
        max(CASE WHEN states_channel THEN ARRAY[latest_version, channel] ELSE ARRAY['', NULL] END)
            OVER by_effect AS channel_before,
        max(ARRAY[channel_status_version, channel_status]) OVER by_effect_there AS channel_status_before,
        max(ARRAY[supplier_status_version, supplier_status]) OVER by_effect_there AS supplier_status_before,
        max(ARRAY[message_status_version, message_status]) OVER by_record AS message_status_then,
        max(CASE WHEN states_channel THEN ARRAY[latest_version, channel] ELSE ARRAY['', NULL] END)
            OVER by_record AS channel_then,
        max(ARRAY[channel_status_version, channel_status]) OVER by_record_there AS channel_status_then,
        max(ARRAY[supplier_status_version, supplier_status]) OVER by_record_there AS supplier_status_then
    FROM judged
    WINDOW
        of_its_key AS (PARTITION BY idempotency_key),
        of_its_content AS (PARTITION BY idempotency_key, content_hash),
        of_later_effect AS (ORDER BY latest_version DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
        by_effect AS (ORDER BY latest_version ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
        by_effect_there AS (
            PARTITION BY channel ORDER BY latest_version ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ),
        by_record AS (
            ORDER BY recorded_at, latest_version ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ),
        by_record_there AS (
            PARTITION BY channel ORDER BY recorded_at, latest_version
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
),
registered AS (
    SELECT
        registrations.*,
        coalesce(entries.received_at, registrations.recorded_at) AS effective_at,
        row_number() OVER (PARTITION BY registrations.entry_id ORDER BY message_reference)::integer - 1 AS number
    FROM registrations
    LEFT JOIN entries ON entries.entry_id = registrations.entry_id
    WHERE message_reference IN (SELECT message_reference FROM known)
),
refused AS ( -- the newest alone, so that a flood of them does not make every timeline slow
    SELECT entry_id, received_at, recorded_at, body
    FROM entries
    WHERE rejection IS NOT NULL
      AND (%(known_at)s::timestamptz IS NULL OR recorded_at <= %(known_at)s)
      AND (
            %(first)s::bigint IS NULL
            OR EXISTS (SELECT FROM leaves WHERE leaves.entry_id = entries.entry_id AND index < %(first)s)
        )
    ORDER BY received_at DESC, entry_id DESC
    LIMIT %(most_refused)s::bigint
),
beside AS (
    SELECT
        'registration' AS kind, 0 AS kind_order, version_moment(effective_at) COLLATE "C" AS place, effective_at,
        recorded_at, entry_id, number AS item, message_reference, client_id, batch_reference, routing_plan_id,
        NULL AS idempotency_key, NULL::bigint AS key_hash, NULL::bytea AS digest
    FROM registered
    UNION ALL
    SELECT
        'refused', 1, version_moment(received_at) COLLATE "C", received_at,
        recorded_at, entry_id, 0, NULL, NULL, NULL, NULL,
        NULL, NULL, NULL
    FROM refused
    WHERE EXISTS (SELECT FROM unnest(%(naming)s::bytea[]) AS naming WHERE position(naming IN body) > 0)
    UNION ALL
    SELECT
        'repeat', 3, judged.latest_version, judged.effective_at,
        entries.recorded_at, repeats.entry_id, repeats.item, NULL, NULL, NULL, NULL,
        repeats.idempotency_key, repeats.key_hash, repeats.digest
    FROM judged
    JOIN repeats USING (key_hash, digest)
    JOIN entries ON entries.entry_id = repeats.entry_id
),
lines AS (
    SELECT
        'event' AS kind, 2 AS kind_order, latest_version AS place, effective_at,
        recorded_at, entry_id, item, message_reference,
        NULL AS client_id, NULL AS batch_reference, NULL AS routing_plan_id, idempotency_key, key_hash, digest,
        late, conflict, restated,
        message_status_version, channel_version, channel_status_version, supplier_status_version,
        message_status_before, channel_before, channel_status_before, supplier_status_before,
        message_status_then, channel_then, channel_status_then, supplier_status_then
    FROM marked
    UNION ALL
    SELECT
        *,
        false, false, false,
        '', '', '', '',
        NULL::text[], NULL::text[], NULL::text[], NULL::text[],
        NULL::text[], NULL::text[], NULL::text[], NULL::text[]
    FROM beside
    WHERE (%(known_at)s::timestamptz IS NULL OR recorded_at <= %(known_at)s)
      AND (
            %(first)s::bigint IS NULL
            OR EXISTS (SELECT FROM leaves WHERE leaves.entry_id = beside.entry_id AND index < %(first)s)
        )
      AND (%(as_of)s::timestamptz IS NULL OR effective_at <= %(as_of)s)
),
page AS (
    SELECT *
    FROM lines
    WHERE %(after_place)s::text IS NULL
       OR (place, kind_order, recorded_at, entry_id, item) > (
            %(after_place)s::text, %(after_kind)s::integer, %(after_recorded_at)s::timestamptz,
            %(after_entry_id)s::uuid, %(after_item)s::integer
        )
    ORDER BY place, kind_order, recorded_at, entry_id, item
    LIMIT %(limit)s::bigint
)
SELECT
    page.kind, page.kind_order, page.place, page.entry_id, page.item,
    (SELECT index FROM leaves WHERE leaves.entry_id = page.entry_id) AS ledger_index,
    page.effective_at, coalesce(entries.received_at, page.recorded_at) AS received_at, page.recorded_at,
    entries.replays, coalesce(page.message_reference, events.message_reference) AS message_reference,
    page.idempotency_key, page.digest, events.event_type, events.channel, events.message_status,
    events.channel_status, events.supplier_status, events.message_failure_code, events.channel_failure_code,
    events.cascade_type, events.cascade_order, events.retry_count, events.occurred_at,
    page.client_id, page.batch_reference, page.routing_plan_id, entries.rejection,
    page.late, page.conflict, page.restated,
    page.message_status_version, page.channel_version, page.channel_status_version, page.supplier_status_version,
    page.message_status_before, page.channel_before, page.channel_status_before, page.supplier_status_before,
    page.message_status_then, page.channel_then, page.channel_status_then, page.supplier_status_then
FROM page
LEFT JOIN entries ON entries.entry_id = page.entry_id
LEFT JOIN events ON events.key_hash = page.key_hash AND events.digest = page.digest
ORDER BY place, kind_order, recorded_at, entry_id, item
