DROP TABLE quarantine_usage;
DROP TABLE quarantine;
DROP TABLE repeats;
DROP TABLE events;
DROP TABLE entries;
DROP FUNCTION refuse_change();
