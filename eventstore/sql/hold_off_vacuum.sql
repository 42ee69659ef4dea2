-- Waits for a vacuum of the entries, or until PostgreSQL cancels its own, and lets none begin in this transaction.
SELECT hold_off_vacuum()
