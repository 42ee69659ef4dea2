-- What is appended never changes, so a vacuum may freeze a page when it first comes by, and never comes again: else the
-- whole ledger would be read and logged once more, all at once, when its transactions have grown old.
ALTER TABLE entries SET (autovacuum_freeze_min_age = 0);
ALTER TABLE events SET (autovacuum_freeze_min_age = 0);
ALTER TABLE repeats SET (autovacuum_freeze_min_age = 0);
ALTER TABLE registrations SET (autovacuum_freeze_min_age = 0);
ALTER TABLE leaves SET (autovacuum_freeze_min_age = 0);
ALTER TABLE tiles SET (autovacuum_freeze_min_age = 0);
ALTER TABLE checkpoints SET (autovacuum_freeze_min_age = 0);
ALTER TABLE acts SET (autovacuum_freeze_min_age = 0);
ALTER TABLE access_log SET (autovacuum_freeze_min_age = 0);
