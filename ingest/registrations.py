"""What the ledger keeps of a batch: rows with tokens, and an entry that proves them but holds none. Pure.

The *commitment* to a message is SHA-256(salt ‖ message reference ‖ token): 16 random bytes, the reference in
UTF-8, 32 bytes. The first and the last part have one length each, so no two messages share what is hashed.

The entry's body is an object in canonical form (RFC 8785):

    messageBatchReference, routingPlanId  as the client sent them
    recipientKeyId                        of the key of all tokens of this entry
    messages                              the commitments in lower-case hex, in the order of the client's body

So whoever has a row of `registrations` can recompute its commitment and find it in the body of the entry that
the row names; and once a row is erased its commitment tells nothing, for the salt is gone with it.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import NamedTuple

from ingest.batches import Batch
from ingest.canonical import canonical

RULES = 1
"""Version of what is kept of a batch; it grows when the same body begins to be kept differently."""

SALT_BYTES = 16


class Row(NamedTuple):
    """What the ledger keeps of one message of a batch, beside what its whole batch shares."""

    message_reference: str
    recipient_token: bytes
    salt: bytes


def rows_of(
    batch: Batch, token: Callable[[str], bytes], random_bytes: Callable[[int], bytes]
) -> tuple[Row, ...]:
    """Return a row for each message of a batch, in its order; each has a salt of its own."""
    salts = random_bytes(SALT_BYTES * len(batch.messages))
    return tuple(
        Row(message.reference, token(message.nhs_number), salts[at : at + SALT_BYTES])
        for at, message in zip(range(0, len(salts), SALT_BYTES), batch.messages, strict=True)
    )


def commitment(row: Row) -> bytes:
    """Return the 32 bytes that stand for a message in its entry's body."""
    return sha256(row.salt + row.message_reference.encode() + row.recipient_token).digest()


def entry_body(batch: Batch, recipient_key_id: str, rows: Iterable[Row]) -> bytes:
    """Return the body of the entry that states these rows of a batch."""
    return canonical(
        {
            "messageBatchReference": batch.reference,
            "messages": [commitment(row).hex() for row in rows],
            "recipientKeyId": recipient_key_id,
            "routingPlanId": batch.routing_plan_id,
        }
    )
