"""The log of what people do to the ledger and beside it: who, when, what, to what, and what came of it.

An act is appended in the transaction that does it, so that neither stands without the other. What changed
nothing is no act. An act holds ids, counts and hashes, never contents.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import args_row

from eventstore.arrays import Text, Uuids
from eventstore.database import LedgerConnection
from eventstore.durable import run
from eventstore.identifiers import time_ordered_uuid
from eventstore.statements import Numbered, statement

_APPEND = Numbered(statement("eventstore", "acts"))


class Act(NamedTuple):
    """One thing that somebody did."""

    act_id: UUID
    """Appended again, an act of the same id stays as it is."""
    actor: str
    """Who did it: a person's or a client's name."""
    act: str
    """What: a thing and a verb, in small letters, such as `quarantine.replay`."""
    subject: str
    """The id of what it was done to."""
    outcome: str
    """What came of it, in a word."""
    reason: str | None = None
    """Why, in the actor's own words."""
    detail: Mapping[str, Any] = {}
    """What else is worth knowing, as JSON has it."""


class ActDone(NamedTuple):
    """An act as the log holds it. Fields stand in the order of the columns of `sql/acts_on.sql`."""

    acted_at: datetime
    act_id: UUID
    actor: str
    database_login: str
    """Who it was as the database knows it, whatever the actor called himself."""
    act: str
    subject: str
    outcome: str
    reason: str | None
    detail: Mapping[str, Any]


def new_act_id() -> UUID:
    """Return a fresh id for an act that is done now."""
    return time_ordered_uuid(datetime.now(UTC), secrets.token_bytes(10))


async def append_acts(connection: LedgerConnection, acts: Sequence[Act]) -> None:
    """Append acts within the caller's transaction (`eventstore.durable.transact`)."""
    if not acts:
        return
    ids, actors, names, subjects, outcomes, reasons, details = zip(*acts, strict=True)
    parameters = {
        "act_id": Uuids(ids),
        "actor": Text(actors),
        "act": Text(names),
        "subject": Text(subjects),
        "outcome": Text(outcomes),
        "reason": Text(reasons),
        "detail": Text([json.dumps(detail) for detail in details]),
    }
    await run(connection, _APPEND, parameters)


async def acts_on(connection: LedgerConnection, subject: str) -> list[ActDone]:
    """Return what was done to `subject`, oldest first."""
    async with connection.cursor(row_factory=args_row(ActDone)) as cursor:
        await cursor.execute(statement("eventstore", "acts_on"), {"subject": subject})
        return await cursor.fetchall()
