-- Notes that all messages of some registrations of a batch are listed.
DELETE FROM unlisted_registrations
WHERE client_id = %(client_id)s AND batch_reference = %(batch_reference)s AND entry_id = ANY (%(entries)s)
