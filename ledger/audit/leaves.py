"""Recomputes what a leaf says of an entry, from the entry in JSON, as bundles and proofs have it."""

import base64
import struct
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from ledger.audit.tree import leaf_hash

BLANKED = ("salt", "body", "signature", "rejection")
"""What an erasure blanks, in the order of the commitment."""


def bytes_of(value: str | None) -> bytes | None:
    """Return the bytes that JSON has in Base64 or, as PostgreSQL writes them, in hex; raises `ValueError`."""
    if value is None:
        return None
    if value.startswith("\\x"):
        return bytes.fromhex(value[2:])
    decoded = base64.b64decode(value, validate=True)
    if base64.b64encode(decoded) != value.encode():  # its last character may have bits that nobody reads
        raise ValueError("not Base64 as it is written")
    return decoded


def moment(text: str) -> datetime:
    """Return the time that JSON has in RFC 3339."""
    return datetime.fromisoformat(text)


def commitment(entry: Mapping[str, Any]) -> bytes:
    """Return what stands for the part of an entry that an erasure blanks."""
    rejection = entry["rejection"]
    packed = [_pack(bytes_of(entry[name])) for name in BLANKED[:-1]]
    packed.append(_pack(None if rejection is None else rejection.encode()))
    return sha256(b"status-ledger/commitment@v1\n" + b"".join(packed)).digest()


def hash_of(entry: Mapping[str, Any], committed: bytes) -> bytes:
    """Return the hash of the leaf of an entry, given the commitment to what may have been blanked."""
    secret, replays = entry["secret_id"], entry["replays"]
    fields = [
        UUID(entry["entry_id"]).bytes,
        entry["kind"].encode(),
        entry["client_id"].encode(),
        _microseconds(entry["received_at"]),
        _microseconds(entry["recorded_at"]),
        None if secret is None else secret.encode(),
        struct.pack(">i", entry["rules"]),
        None if replays is None else UUID(replays).bytes,
        committed,
    ]
    return leaf_hash(b"status-ledger/leaf@v1\n" + b"".join(map(_pack, fields)))


def _pack(value: bytes | None) -> bytes:
    return b"\0" if value is None else struct.pack(">BI", 1, len(value)) + value


def _microseconds(text: str) -> bytes:
    since = moment(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return struct.pack(">q", (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)
