"""What a check comes to: findings, and what was erased as the ledger allows."""

from typing import NamedTuple


class Finding(NamedTuple):
    """Something that is not as it was sealed."""

    what: str
    """A word for the kind: `entry.changed`, `entry.gone`, …"""
    where: str
    """The entry, leaf, tile, checkpoint or table."""
    told: str
    """What is wrong, in a sentence."""


class Erased(NamedTuple):
    """An entry that was erased as the ledger allows: its commitment is intact, it cannot be derived again."""

    entry_id: str
    erasure: str
    """The entry that says so."""
