-- How many entries are sealed.
SELECT size FROM sealer
