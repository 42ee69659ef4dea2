-- Erases a message, or tells what that would do; the function itself looks, guards and logs.
SELECT erase_message(
    %(message_id)s::text, %(actor)s::text, %(reason)s::text, %(legal_basis)s::text,
    %(whole_entry)s::boolean, %(look_only)s::boolean, %(erasure_id)s::uuid
)
