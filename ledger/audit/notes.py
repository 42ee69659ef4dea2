"""Reads public keys and signed checkpoints: C2SP's `signed-note` and `tlog-checkpoint`, with Ed25519."""

import base64
import binascii
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_ED25519 = b"\x01"


class NotProven(Exception):
    """What was shown does not prove what it says."""


class Key(NamedTuple):
    """An Ed25519 public key, and the name under which it was given."""

    name: str
    public: bytes

    @property
    def ledger(self) -> str:
        """The name of the ledger: a log's name without its last part."""
        return self.name.rpartition("/")[0]

    def under(self, name: str) -> "Key":
        """Return the same key under the name of another log of the ledger."""
        return self._replace(name=name)

    @property
    def key_id(self) -> bytes:
        """The first 4 bytes of the hash of name and key."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]


class Head(NamedTuple):
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes
    signed_at: datetime
    note: str


def read_key(text: str) -> Key:
    """Return the key that `name+id+base64` stands for, as `status-ledger public-key` prints it."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    public = _bytes(encoded)
    if not key_id or public[:1] != _ED25519 or len(public) != 33:
        raise NotProven("the public key is not name+id+base64 of an Ed25519 key")
    key = Key(name, public[1:])
    if key.key_id.hex() != key_id:
        raise NotProven("the public key's id is not that of its name and key: something is mistyped")
    return key


def read_head(note: str) -> Head:
    """Return what a note says, without looking at its signatures."""
    text, _, _ = note.rpartition("\n\n")
    lines = text.split("\n")
    try:
        origin, size, root, signed = lines
        head = Head(
            origin, int(size), _bytes(root), datetime.fromisoformat(signed.removeprefix("signed ")), note
        )
    except ValueError:
        raise NotProven("it is no checkpoint of a status ledger") from None
    if str(head.size) != size or len(head.root) != 32 or head.signed_at.tzinfo is None:
        raise NotProven("it is no checkpoint of a status ledger")
    return head


def verify_head(note: str, keys: list[Key]) -> Head:
    """Return what a checkpoint says that one of the keys signed; raises `NotProven`."""
    head = read_head(note)
    text, _, signatures = note.rpartition("\n\n")
    for key in keys:
        if not head.origin.startswith(f"{key.ledger}/"):
            continue
        signer = key.under(head.origin)
        for line in signatures.split("\n"):
            if not line.startswith(f"\u2014 {head.origin} "):
                continue
            signature = _bytes(line.rpartition(" ")[2])
            if signature[:4] != signer.key_id:
                continue
            try:
                Ed25519PublicKey.from_public_bytes(key.public).verify(signature[4:], f"{text}\n".encode())
            except InvalidSignature:
                raise NotProven(f"the signature of the checkpoint of {head.size} entries is wrong") from None
            return head
    raise NotProven(f"the checkpoint of {head.size} entries of {head.origin} is not signed by the key given")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotProven("something is not in Base64") from None
