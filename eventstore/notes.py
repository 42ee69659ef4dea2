"""Signed notes and checkpoints in the formats of C2SP: `signed-note`, `tlog-checkpoint`, with Ed25519. Pure.

A checkpoint is a note whose text names the log (its *origin*), the size of the tree and its root. Ours has
one line more, the time of signing, which is signed with the rest; C2SP calls that an extension line.

    example.nhs.uk/status-ledger/1f6c09d2a4b87e35
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
    signed 2026-11-23T09:15:02.123456Z

    — example.nhs.uk/status-ledger/1f6c09d2a4b87e35 Az3grlgt…
"""

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from eventstore.errors import LedgerError
from eventstore.merkle import HASH_SIZE

_ED25519 = b"\x01"
"""The signature type of a plain Ed25519 key in signed notes."""

_SIGNATURE = "\u2014 "
"""How a line with a signature begins: an em dash and a space."""

_SIGNED = "signed "
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class InvalidNote(LedgerError):
    """Not a checkpoint that the key signed."""


class Checkpoint(NamedTuple):
    """The head of the tree: what a signature of ours vouches for."""

    origin: str
    """Host, ledger and incarnation."""
    size: int
    root: bytes
    signed_at: datetime

    @property
    def text(self) -> str:
        """The text that is signed."""
        moment = self.signed_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n{_SIGNED}{moment}\n"


class VerifyingKey:
    """A public key under a name, as `verifier key` of signed notes has it: `name+id+base64`."""

    def __init__(self, name: str, public: bytes) -> None:
        """Take the name, which in a checkpoint is the origin, and the 32 bytes of an Ed25519 public key."""
        self.name = name
        self.public = public
        self.key_id = sha256(f"{name}\n".encode() + _ED25519 + public).digest()[:4]

    def __str__(self) -> str:
        """Return the text that other tools take too."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(_ED25519 + self.public)}"

    def verify(self, note: str) -> str:
        """Return the text of a note that this key signed, or raise `InvalidNote`."""
        text, separator, signatures = note.rpartition("\n\n")
        if not separator:
            raise InvalidNote("it has no signature")
        text += "\n"
        for line in signatures.splitlines():
            name, _, encoded = line.removeprefix(_SIGNATURE).rpartition(" ")
            if not line.startswith(_SIGNATURE) or name != self.name:
                continue
            signature = _bytes(encoded)
            if signature[:4] != self.key_id:
                continue
            try:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature[4:], text.encode())
            except InvalidSignature:
                raise InvalidNote(f"the signature of {self.name} is wrong") from None
            return text
        raise InvalidNote(f"{self.name}+{self.key_id.hex()} did not sign it")


class SigningKey:
    """A private Ed25519 key; it signs under any name."""

    def __init__(self, seed: bytes) -> None:
        """Take the 32 bytes of the private key."""
        self._private = Ed25519PrivateKey.from_private_bytes(seed)

    def verifying(self, name: str) -> VerifyingKey:
        """Return the public key under a name."""
        return VerifyingKey(name, self._private.public_key().public_bytes_raw())

    def sign(self, name: str, text: str) -> str:
        """Return a text, which ends in a newline, as a note that is signed under a name."""
        signature = self.verifying(name).key_id + self._private.sign(text.encode())
        return f"{text}\n{_SIGNATURE}{name} {_base64(signature)}\n"


def read_checkpoint(note: str, keys: Iterable[VerifyingKey]) -> Checkpoint:
    """Return the checkpoint of a note that one of the keys signed under its name; raises `InvalidNote`."""
    refused = InvalidNote("there is no key")
    for key in keys:
        try:
            checkpoint = parse_checkpoint(key.verify(note))
        except InvalidNote as error:
            refused = error
            continue
        if checkpoint.origin != key.name:
            raise InvalidNote(f"its origin is {checkpoint.origin}, not {key.name}")
        return checkpoint
    raise refused


def parse_checkpoint(text: str) -> Checkpoint:
    """Return what the text of a checkpoint of ours says; raises `InvalidNote`."""
    lines = text.split("\n")
    if len(lines) != 5 or lines[-1] or not all(lines[:4]):
        raise InvalidNote("it has not the four lines of a checkpoint")
    origin, size, encoded, signed, _ = lines
    root = _bytes(encoded)
    if not _SIZE.fullmatch(size) or len(root) != HASH_SIZE:
        raise InvalidNote("its size or root is malformed")
    try:
        checkpoint = Checkpoint(origin, int(size), root, datetime.fromisoformat(signed.removeprefix(_SIGNED)))
    except ValueError:
        raise InvalidNote("its time is malformed") from None
    if checkpoint.signed_at.tzinfo is None or checkpoint.text != text:
        raise InvalidNote("it is not written as we write it")
    return checkpoint


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidNote("it is not in Base64") from None
