-- The checkpoints of an incarnation, smallest first, that are larger than one size and no larger than another.
SELECT size, note
FROM checkpoints
WHERE incarnation = %(incarnation)s AND size > %(above)s AND size <= %(up_to)s
ORDER BY size
