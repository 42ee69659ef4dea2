"""Checks the proof of an entry offline: a file, a public key, nothing else."""

import json
from typing import Any, NamedTuple

from ledger.audit import leaves
from ledger.audit.notes import Head, Key, NotProven, verify_head
from ledger.audit.tree import root_by_path


class Proven(NamedTuple):
    """What a proof proves."""

    entry: dict[str, Any]
    """What the leaf says."""
    place: int
    """The index of the entry."""
    head: Head
    body: bytes | None
    """The bytes as received; None where they were erased."""


def verify_proof(text: str, keys: list[Key]) -> Proven:
    """Return what a proof proves; raises `NotProven` with what is wrong."""
    header, _, rest = text.partition("\n")
    said, _, tlog = rest.partition("\n\n")
    if header != "status-ledger/proof@v1":
        raise NotProven("it is no proof of a status ledger")
    try:
        told = json.loads(said)
        entry, committed = told["entry"], told["committed"]
        index, path, note = _tlog(tlog)
        commitment = leaves.bytes_of(entry["commitment"]) or b""
        body = None
        if committed is not None:
            body = leaves.bytes_of(committed["body"])
            if leaves.commitment(committed) != commitment:
                raise NotProven("its body, salt, signature or rejection is not what was sealed")
        leaf = leaves.hash_of(entry, commitment)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise NotProven("it is malformed") from None
    head = verify_head(note, keys)
    if root_by_path(leaf, index, head.size, path) != head.root:
        raise NotProven(f"what it says is not entry {index} of the checkpoint of {head.size} entries")
    return Proven(entry, index, head, body)


def _tlog(text: str) -> tuple[int, list[bytes], str]:
    """Return index, path and checkpoint of a C2SP `tlog-proof`."""
    head, _, note = text.partition("\n\n")
    header, index, *hashes = head.split("\n")
    if header != "c2sp.org/tlog-proof@v1" or not index.startswith("index "):
        raise NotProven("it has no inclusion proof")
    path = [leaves.bytes_of(one) or b"" for one in hashes]
    if any(len(one) != 32 for one in path):
        raise NotProven("its inclusion proof is malformed")
    return int(index.removeprefix("index ")), path, note
