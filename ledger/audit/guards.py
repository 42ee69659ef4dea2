"""Looks at the guards of a ledger's tables: triggers, owners, grants."""

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.audit.findings import Finding

GUARDED = ("entries", "events", "repeats", "registrations", "leaves", "tiles", "checkpoints", "acts")
"""Tables that a trigger keeps from being changed."""

_MAY = {"SELECT", "INSERT"}
"""What a role of the ledger may do with one of them at most; the rest goes through functions."""


def look_at_guards(header: Mapping[str, Any]) -> Iterator[Finding]:
    """Tell of guards that are missing, switched off, or by-passed by a grant."""
    on = {
        one["table"] for one in header["triggers"] if one["enabled"] == "A" and one["name"] == "append_only"
    }
    for table in GUARDED:
        if table not in on:
            yield Finding(
                "guard.off", f"table {table}", "its trigger append_only is missing or not ENABLE ALWAYS"
            )
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
