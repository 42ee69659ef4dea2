-- How much the quarantine holds.
SELECT requests, bytes FROM quarantine_usage
