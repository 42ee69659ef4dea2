"""The ledger's tables, as SQLAlchemy Core sees them; the migrations are what makes them."""

from eventstore.tables.beside import access_log, acts
from eventstore.tables.columns import Key, Moment, metadata
from eventstore.tables.entries import entries, events, registrations, repeats
from eventstore.tables.erasures import erased_messages, tombstone_salt
from eventstore.tables.seals import checkpoints, leaves, tiles

__all__ = ["APPEND_ONLY", "ERASABLE", "Key", "Moment", "events", "metadata", "registrations"]

ERASABLE = (entries, events, repeats, registrations)
"""Of the append-only tables those that an erasure may touch, each as far as the erasure's entry names it."""

APPEND_ONLY = (*ERASABLE, acts, leaves, tiles, checkpoints, access_log, tombstone_salt, erased_messages)
"""Tables that refuse DELETE, TRUNCATE and UPDATE; their guards must be enabled ALWAYS."""
