-- A batch that is not listed yet, with those of its registrations of which that is so; none where listing has not begun.
SELECT client_id, batch_reference, array_agg(entry_id)
FROM unlisted_registrations
JOIN (
    SELECT client_id, batch_reference
    FROM unlisted_registrations
    WHERE (SELECT begun_at IS NOT NULL FROM listing)
    ORDER BY entry_id -- the oldest
    LIMIT 1
) AS oldest USING (client_id, batch_reference)
GROUP BY client_id, batch_reference
