"""Recomputes a whole ledger from a bundle and its anchors, and names exactly what is not as it was sealed."""

from collections.abc import Callable, Iterable, Iterator

from ledger.audit import heads, leaves
from ledger.audit.bundles import Bundle
from ledger.audit.entries import Entries
from ledger.audit.findings import Erased, Finding
from ledger.audit.growth import Growth
from ledger.audit.guards import look_at_guards
from ledger.audit.notes import Key


def verify(
    bundle: Bundle,
    anchors: Iterable[tuple[str, str]],
    keys: list[Key],
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Finding | Erased]:
    """Yield everything that is wrong, and what was erased.

    Bodies, leaves, tiles, checkpoints and their signatures, the consistency of all anchored checkpoints (they
    are roots of one log), events, repeats and registrations from the entries, times, and guards.
    `progress` is told how many entries more were looked at.
    """
    compared = heads.compare(bundle, anchors, keys)
    yield from compared.findings
    growth = Growth(bundle, compared.own)
    entries = Entries()
    for line in bundle.lines("entries"):
        entry, leaf = line["entry"], line["leaf"]
        before = growth.last
        try:
            if leaf is not None:
                if leaf["index"] != growth.size:
                    yield Finding("leaf.gone", f"index {growth.size}", f"after it comes {leaf['index']}")
                recorded_at = None if entry is None else leaves.moment(entry["recorded_at"])
                yield from growth.add(leaves.bytes_of(leaf["hash"]) or b"", leaf["entry_id"], recorded_at)
            if entry is None:
                told = "it was sealed, and is not there any more"
                yield Finding("entry.gone", f"entry {leaf['entry_id']} (index {leaf['index']})", told)
            else:
                yield from entries.look_at(entry, leaf, before)
                yield from entries.derive(entry, line["events"], line["repeats"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            yield Finding("entry.unreadable", f"line of index {leaf and leaf['index']}", str(error))
        progress(1)
    yield from growth.finish()
    for row in bundle.lines("registrations"):
        yield from entries.registration(row)
    yield from entries.finish()
    for stray in bundle.lines("strays"):
        where = f"{stray['table']}, entry {stray['entry_id']}, item {stray['item']}"
        yield Finding("row.stray", where, "it belongs to no entry")
    yield from look_at_guards(bundle.header)
