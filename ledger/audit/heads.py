"""Holds the checkpoints that a ledger keeps against those that were published outside of it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ledger.audit import leaves
from ledger.audit.bundles import Bundle
from ledger.audit.findings import Finding
from ledger.audit.notes import Head, Key, NotProven, verify_head


class Heads(NamedTuple):
    """What was found out of the checkpoints."""

    own: list[Head]
    """Those of the log that the bundle holds, smallest first; where the two differ, the anchored one."""
    findings: list[Finding]


def compare(bundle: Bundle, anchors: Iterable[tuple[str, str]], keys: list[Key]) -> Heads:
    """Verify every checkpoint and anchor, and compare them.

    Anchors that were signed after the bundle was made are passed over: the ledger went on.
    """
    findings: list[Finding] = []
    anchored: dict[tuple[str, int], Head] = {}
    made_at = leaves.moment(bundle.header["made_at"])
    for name, note in anchors:
        try:
            head = verify_head(note, keys)
        except NotProven as error:
            findings.append(Finding("anchor.invalid", name, str(error)))
            continue
        if head.signed_at <= made_at:
            anchored[head.origin, head.size] = head
    kept: dict[tuple[str, int], Head] = {}
    invalid: set[int] = set()
    for row in bundle.lines("checkpoints"):
        try:
            head = verify_head(row["note"], keys)
        except NotProven as error:
            findings.append(Finding("checkpoint.invalid", _named(row["size"]), str(error)))
            invalid.add(row["size"])
            continue
        if (head.size, head.root) != (row["size"], leaves.bytes_of(row["root"])):
            findings.append(
                Finding("checkpoint.replaced", _named(row["size"]), "its row is not what was signed")
            )
        kept[head.origin, head.size] = head
    findings += (
        one
        for one in _differences(bundle.header["sealer"], anchored, kept)
        if one.where not in {_named(size) for size in invalid}  # there, and told already
    )
    incarnation = bundle.header["sealer"]["incarnation"]
    own = {size: head for (origin, size), head in (kept | anchored).items() if _is_of(origin, incarnation)}
    return Heads([own[size] for size in sorted(own)], findings)


def _differences(
    sealer: Mapping[str, Any],
    anchored: Mapping[tuple[str, int], Head],
    kept: Mapping[tuple[str, int], Head],
) -> Iterator[Finding]:
    for (origin, size), head in sorted(anchored.items()):
        twin = kept.get((origin, size))
        if twin is None:
            told = f"it was published for {origin}, and the ledger has it no more: it was cut off or put back"
            yield Finding("checkpoint.gone", _named(size), told)
        elif twin.note != head.note:
            yield Finding("checkpoint.replaced", _named(size), "another one was published under this size")
    for origin, size in sorted(kept.keys() - anchored.keys()):
        if not _is_of(origin, sealer["incarnation"]) or size <= sealer["published_size"]:
            yield Finding("anchor.gone", _named(size), f"it was published for {origin}, and no anchor has it")


def _is_of(origin: str, incarnation: str | None) -> bool:
    return origin.rpartition("/")[2] == incarnation


def _named(size: int) -> str:
    return f"checkpoint of {size} entries"
