"""What each fault came to, a file a fault, and the one table of all.

python -m tests.end_to_end.chaos.report FOLDER               prints the table
python -m tests.end_to_end.chaos.report FOLDER --into FILE   and puts it between the marks of a document
"""

import argparse
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"


def today() -> str:
    """Return the day, as the table names it."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


class Row(NamedTuple):
    """One fault."""

    number: int
    """Its place in the table."""
    fault: str
    requests: int
    events_a_second: int
    """What was acknowledged, before the fault."""
    ok: int
    failed: int
    unknown: int
    lost: int
    recovered: str
    """How many callbacks failed at first, and how many of these were acknowledged in the end."""
    first_ok: str
    """Seconds from healing to the first acknowledgement."""
    when: str
    note: str = ""

    def write(self, folder: Path) -> None:
        """Keep it."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.number:02}.json").write_text(json.dumps(self._asdict()), encoding="utf-8")


def table(folder: Path) -> str:
    """Return the rows that a folder keeps, in order, as a table in Markdown."""
    rows = [Row(**json.loads(file.read_text(encoding="utf-8"))) for file in sorted(folder.glob("*.json"))]
    lines = [
        "| fault | requests | events/s | ok | failed | unknown | lost | recovered | first 2xx |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        counts = (row.requests, row.events_a_second, row.ok, row.failed, row.unknown, row.lost)
        told = " | ".join(f"{count:,}" for count in counts)
        name = f"{row.fault}: {row.note}" if row.note else row.fault
        lines.append(f"| {name} | {told} | {row.recovered} | {row.first_ok} |")
    days = sorted({row.when for row in rows})
    return "\n".join(lines) + f"\n\nMeasured {' and '.join(days)}.\n"


def put_into(document: Path, made: str) -> None:
    """Replace what stands between the marks of a document."""
    text = document.read_text(encoding="utf-8")
    pattern = re.compile(f"({re.escape(BEGIN)}\n).*?({re.escape(END)})", re.DOTALL)
    changed, marks = pattern.subn(lambda found: f"{found[1]}{made}{found[2]}", text)
    if marks != 1:
        raise SystemExit(f"{document} has not one pair of marks")
    document.write_text(changed, encoding="utf-8")


def main() -> None:
    """Print the table, and keep it where told to."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--into", type=Path)
    chosen = options.parse_args()
    made = table(chosen.folder)
    print(made)  # noqa: T201 - what the command is for
    if chosen.into is not None:
        put_into(chosen.into, made)


if __name__ == "__main__":
    main()
