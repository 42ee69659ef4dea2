DELETE FROM ledger_grants
WHERE privilege LIKE '% ON listed_messages%'
   OR privilege LIKE '% ON unlisted_registrations'
   OR privilege LIKE '% ON listing'
   OR (role = 'ledger_operator' AND privilege LIKE '% ON registrations');

DROP TRIGGER unlisted_first ON registrations;
DROP FUNCTION note_unlisted;
DROP TABLE listing;
DROP TABLE unlisted_registrations;
DROP TABLE listed_messages;
SELECT grant_ledger_roles();
