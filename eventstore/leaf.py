"""What a leaf of the Merkle tree says of an entry, byte for byte. Pure.

The database makes leaves, with functions that the migrations made; this is the same in Python, held to them
by a test, for whoever reads Python and for proofs.

A *field* is the byte 0x01, the length of the value in 4 bytes, and the value; one that is absent is the
byte 0x00. Numbers are big-endian. The *commitment* is SHA-256 over `COMMITMENT` and the fields salt, body,
signature and rejection: what an erasure blanks. The *content* of a leaf is `CONTENT` and the fields entry
id (16 bytes), kind, client, received and recorded time (microseconds since 1970 in 8 bytes), secret id,
rules (4 bytes), replays (16 bytes) and commitment: what remains for ever. So with the commitment kept, a
blanked entry's leaf is as it was.
"""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from typing import NamedTuple
from uuid import UUID

COMMITMENT = b"status-ledger/commitment@v1\n"
CONTENT = b"status-ledger/leaf@v1\n"

_MARK = Struct(">BI").pack
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Leaf(NamedTuple):
    """What a leaf commits to."""

    entry_id: UUID
    kind: str
    client_id: str
    received_at: datetime
    recorded_at: datetime
    secret_id: str | None
    rules: int
    replays: UUID | None
    commitment: bytes
    """See `commitment`."""


def commitment(
    salt: bytes | None, body: bytes | None, signature: bytes | None, rejection: str | None
) -> bytes:
    """Return the 32 bytes that stand for what an erasure blanks."""
    told = (COMMITMENT, _field(salt), _field(body), _field(signature), _field(_text(rejection)))
    return sha256(b"".join(told)).digest()


def content(leaf: Leaf) -> bytes:
    """Return the bytes of which `merkle.leaf_hash` makes the leaf's hash."""
    fields = (
        leaf.entry_id.bytes,
        leaf.kind.encode(),
        leaf.client_id.encode(),
        _moment(leaf.received_at),
        _moment(leaf.recorded_at),
        _text(leaf.secret_id),
        leaf.rules.to_bytes(4, "big", signed=True),
        None if leaf.replays is None else leaf.replays.bytes,
        leaf.commitment,
    )
    return CONTENT + b"".join(map(_field, fields))


def _field(value: bytes | None) -> bytes:
    return b"\x00" if value is None else _MARK(1, len(value)) + value


def _text(value: str | None) -> bytes | None:
    return None if value is None else value.encode()


def _moment(moment: datetime) -> bytes:
    return ((moment - _EPOCH) // _MICROSECOND).to_bytes(8, "big", signed=True)
