"""Reads a bundle: all that a ledger says of itself in files of JSON lines, to be checked without a database.

| file | a line |
|---|---|
| `bundle.json` | the one object: format, when it was made, the sealer's row, guards, owners and grants |
| `entries.jsonl` | an entry, its leaf, its events and repeats: sealed ones by index, then the others |
| `registrations.jsonl` | a row of `registrations` |
| `tiles.jsonl`, `checkpoints.jsonl` | a full tile of the Merkle tree; a signed checkpoint |
| `strays.jsonl` | an event or a repeat of an entry that is not there |

Rows are as PostgreSQL's `row_to_json` writes them. A repeat has one column more, `of_event`: whether the
event that it repeats is there.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ledger.audit.notes import NotProven

FORMAT = "status-ledger/bundle@v1"


class Bundle:
    """A bundle in a folder."""

    def __init__(self, folder: Path) -> None:
        """Open it; raises `NotProven` where it is none."""
        self._folder = folder
        try:
            self.header: dict[str, Any] = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise NotProven(f"{folder} is no bundle: {error}") from None
        if self.header.get("format") != FORMAT:
            raise NotProven(f"{folder} is no bundle of the form {FORMAT}")

    def lines(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield the lines of one of its files."""
        with (self._folder / f"{name}.jsonl").open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)


def read_anchors(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield every anchor in a folder and those within it: the file's name and its text."""
    for place in sorted(folder.rglob("*")):
        if place.is_file() and place.name.isdecimal():
            yield str(place.relative_to(folder)), place.read_text(encoding="utf-8", errors="replace")
