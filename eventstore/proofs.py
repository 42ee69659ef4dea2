"""Proofs that an entry stands in the ledger: one text that says all, to be checked by anybody, offline.

    status-ledger/proof@v1
    {"entry": …what the leaf says…, "committed": …what an erasure would blank…}

    c2sp.org/tlog-proof@v1
    index 1023
    …the inclusion proof, a hash a line…

    …the signed checkpoint…

What follows the first empty line is C2SP's `tlog-proof`, for the hash of the leaf that the first part gives.
"""

import base64
import json
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from eventstore import leaf, merkle
from eventstore.checkpoints import latest_published
from eventstore.database import LedgerConnection
from eventstore.leaf import Leaf
from eventstore.notes import parse_checkpoint
from eventstore.statements import statement
from eventstore.tiles import hashes_for

HEADER = "status-ledger/proof@v1"
TLOG_HEADER = "c2sp.org/tlog-proof@v1"


async def proof_of(connection: LedgerConnection, entry_id: UUID) -> str | None:
    """Return the proof of an entry under the last published checkpoint; None where it is not public.

    `connection` should see one moment.
    """
    note = await latest_published(connection)
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(statement("eventstore", "leaf"), {"entry_id": entry_id})
        row = await cursor.fetchone()
    if note is None or row is None:
        return None
    size = parse_checkpoint(note.partition("\n\n")[0] + "\n").size
    if row["index"] >= size:
        return None
    ranges = merkle.inclusion_ranges(row["index"], size)
    path = merkle.proof(ranges, await hashes_for(connection, ranges))
    hashes = "".join(f"{_base64(one)}\n" for one in path)
    said = json.dumps(_said(row), indent=2, ensure_ascii=False)
    return f"{HEADER}\n{said}\n\n{TLOG_HEADER}\nindex {row['index']}\n{hashes}\n{note}"


def _said(row: dict[str, Any]) -> dict[str, Any]:
    """Return what is proven of an entry, and, unless it was blanked since, what its commitment stands for."""
    entry = {name: _plain(row[name]) for name in Leaf._fields}
    blanked = {name: row[name] for name in ("salt", "body", "signature", "rejection")}
    if leaf.commitment(**blanked) != row["commitment"]:
        return {"entry": entry, "committed": None}
    return {"entry": entry, "committed": {name: _plain(value) for name, value in blanked.items()}}


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return _base64(value)
        case UUID():
            return str(value)
        case None | str() | int():
            return value
        case moment:
            return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
