-- Counts the delivered events of each type: a sum, and so no fold that may be run twice over an event.
INSERT INTO counted AS held (event_type, events)
SELECT event_type, count(*)
FROM delivered
GROUP BY event_type
ORDER BY event_type -- one order of locks everywhere
ON CONFLICT (event_type) DO UPDATE SET events = held.events + excluded.events
