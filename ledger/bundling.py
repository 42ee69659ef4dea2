"""Writes a bundle: all that the ledger says of itself, at one moment, as files for the auditor's verifier."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from eventstore.database import Database
from eventstore.errors import LedgerError
from eventstore.statements import statement

FILES = ("entries", "registrations", "tiles", "checkpoints", "strays")

_AT_ONCE = 1000
"""Rows that are fetched at a time."""


class BundleExists(LedgerError):
    """The folder has files in it: a bundle is written to an empty one."""


async def export(
    database: Database,
    folder: Path,
    *,
    begun: Callable[[int], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Write a bundle to a folder, which is made; read it with `ledger.audit.bundles`.

    `begun` is told how many entries there are, `progress` how many more were written. It holds whatever the
    ledger holds, so keep it as carefully. Raises `BundleExists`.
    """
    _prepare(folder)
    async with database.snapshot() as connection:
        cursor = await connection.execute(statement("ledger", "bundle_header"))
        ((header,),) = await cursor.fetchall()
        told = json.loads(header) | {"made_at": datetime.now(UTC).isoformat()}
        begun(told["entries"])
        for name in FILES:
            with _opened(folder / f"{name}.jsonl") as file:
                async with connection.cursor(f"bundle_{name}") as rows:
                    rows.itersize = _AT_ONCE
                    await rows.execute(statement("ledger", f"bundle_{name}"))
                    async for (line,) in rows:
                        # json_agg breaks lines between rows; within a text they are escaped.
                        file.write(line.replace("\n", "") + "\n")
                        if name == "entries":
                            progress(1)
    with _opened(folder / "bundle.json") as file:  # last: without it nobody takes it for a bundle
        json.dump(told, file, indent=2)


def _prepare(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BundleExists(str(folder))


def _opened(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8")
