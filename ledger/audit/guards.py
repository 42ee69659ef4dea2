"""Looks at the guards of a ledger's tables: triggers, owners, grants."""

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.audit.findings import Finding

ERASABLE = ("entries", "events", "repeats", "registrations")
"""Tables of which an erasure may take what it names, and another trigger sees to it that it takes no more."""

GUARDED = (
    *ERASABLE,
    *("leaves", "tiles", "checkpoints", "acts", "access_log", "tombstone_salt", "erased_messages"),
)
"""Tables that a trigger keeps from being changed."""

TRIGGERS = (
    *((table, "append_only") for table in GUARDED),
    *((table, "erased_only") for table in ERASABLE),
    ("entries", "erasures_by_the_eraser"),
)
"""The triggers that do, each with its table."""

_MAY = {"SELECT", "INSERT"}
"""What a role of the ledger may do with one of them at most; the rest goes through functions."""


def look_at_guards(header: Mapping[str, Any]) -> Iterator[Finding]:
    """Tell of guards that are missing, switched off, or by-passed by a grant."""
    on = {(one["table"], one["name"]) for one in header["triggers"] if one["enabled"] == "A"}
    for table, trigger in TRIGGERS:
        if (table, trigger) not in on:
            told = f"its trigger {trigger} is missing or not ENABLE ALWAYS"
            yield Finding("guard.off", f"table {table}", told)
    owners = {one["owner"] for one in header["owners"]}
    if len(owners) > 1:
        yield Finding("owner.differs", "tables", f"they have several owners: {', '.join(sorted(owners))}")
    for one in header["owners"]:
        if one["owner"].startswith("ledger_"):
            told = f"{one['owner']} owns it, and could switch its guard off"
            yield Finding("owner.differs", f"table {one['table']}", told)
    for one in header["grants"]:
        table, grantee, privilege = one["table"], one["grantee"], one["privilege"]
        if grantee == "PUBLIC" or (table in GUARDED and privilege not in _MAY):
            yield Finding("grant.surplus", f"table {table}", f"{grantee} may {privilege}")
