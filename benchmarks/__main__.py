"""Measures what the service does beside its limits and peers, in alternating rounds of one run.

    python -m benchmarks                   # the quick form: every row but the long ones
    python -m benchmarks --full            # all rows, longer
    python -m benchmarks single hundred    # single rows
    python -m benchmarks --report          # nothing but docs/performance.md, from the results that are kept

It runs a PostgreSQL of its own, on disk and with durable commits, which it removes at the end. Database,
service and load share the machine. Each row's result is kept in benchmarks/results/ROW.json, and what
docs/performance.md says of it is written anew.
"""

import argparse
import os
import sys
import time
from pathlib import Path
from signal import SIGTERM, signal

from rich.console import Console

from benchmarks.ground import Scale, lent
from benchmarks.load import ensure_wrk
from benchmarks.marks import Row, rows
from benchmarks.outcome import keep, names
from benchmarks.report import write_report
from benchmarks.subjects import measure, needed, subjects
from benchmarks.surroundings import surroundings
from benchmarks.table import table

QUICK, FULL = 2.0, 8.0
"""Seconds of one measurement."""


def main() -> None:
    """Measure, print the table, and keep the results."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("rows", nargs="*", metavar="ROW", help="which rows (all of the form)")
    options.add_argument("--report", action="store_true", help="measure nothing, write the report anew")
    options.add_argument(
        "--try", action="store_true", help="keep no result and write no report", dest="trial"
    )
    options.add_argument("--full", action="store_true", help="long rows too, and longer measurements")
    options.add_argument("--rounds", type=int, default=3, help="how many alternations (3)")
    options.add_argument("--seconds", type=float, help=f"of one measurement ({QUICK:.0f}, full {FULL:.0f})")
    options.add_argument("--workers", default="1,2", help="how many processes serve, each in turn (1,2)")
    for name, what in (
        ("stored", "callbacks of which the bytes on disk are told"),
        ("callbacks", "callbacks after which the memory is told"),
        ("proven", "sealed entries of which some are proven"),
        ("messages", "messages of the large ledger, with 4.2 events each"),
    ):
        default = Scale._field_defaults[name]
        options.add_argument(f"--{name}", type=int, default=default, help=f"{what} ({default:,})")
    options.add_argument("--folder", type=Path, help="keep the databases here, and take them again")
    chosen = options.parse_args()
    signal(SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    workers = [int(one) for one in chosen.workers.split(",")]
    if chosen.report:
        write_report(rows(workers, full=True))
        return
    wanted = _wanted(rows(workers, full=chosen.full), chosen.rows, full=chosen.full)
    ensure_wrk()
    asked = needed(set().union(*map(names, wanted)), subjects(workers))
    begun, load = time.monotonic(), round(os.getloadavg()[0], 1)
    console = Console(stderr=True)
    with (
        lent(
            chosen.seconds or (FULL if chosen.full else QUICK),
            Scale(chosen.stored, chosen.callbacks, chosen.proven, chosen.messages),
            chosen.folder,
        ) as ground,
        console.status("") as status,
    ):
        of = len(asked) * chosen.rounds
        done = iter(range(of))

        def advance(doing: str) -> None:
            told = f"{next(done)} of {of} done, {time.monotonic() - begun:.0f} s; {doing}"
            if console.is_terminal:
                status.update(told)
            else:
                console.print(told, highlight=False)

        figures = measure(ground, asked, chosen.rounds, advance)
        where = surroundings(ground) | {"rounds": chosen.rounds, "full": chosen.full, "load": load}
    if not chosen.trial:
        for row in wanted:
            keep(row, {name: figures[name] for name in figures if name in names(row)}, where)
        write_report(rows(workers, full=True))
    wide = Console()
    (wide if wide.is_terminal else Console(width=160)).print(
        table([(row, figures) for row in wanted], f"{time.monotonic() - begun:.0f} s")
    )


def _wanted(all_rows: list[Row], chosen: list[str], *, full: bool) -> list[Row]:
    known = {row.name: row for row in all_rows}
    if unknown := [name for name in chosen if name not in known]:
        sys.exit(f"{unknown[0]} is not one of {', '.join(known)}")
    return [known[name] for name in chosen] or [row for row in all_rows if full or not row.full]


if __name__ == "__main__":
    main()
