"""The log of who looked: who asked for what, when and from where, written before they are shown anything.

A line holds identifiers and never contents. An identifier is what somebody asked for, so it is a stranger's
text: an NHS number in it is left out, and what PostgreSQL cannot store is escaped.
"""

import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import args_row

from eventstore.database import Database, LedgerConnection
from eventstore.durable import committed, run
from eventstore.identifiers import time_ordered_uuid
from eventstore.recipients import ten_digits
from eventstore.statements import Numbered, statement

LONGEST = 255
"""Characters that are kept of an identifier; no id of the ledger's is longer."""

_APPEND = Numbered(statement("eventstore", "access"))
_LIKE_NHS_NUMBER = re.compile(r"(?<!\d)\d{3}[ -]?\d{3}[ -]?\d{4}(?!\d)", re.ASCII)


class Access(NamedTuple):
    """One look at the ledger, about to be taken."""

    actor: str
    """Who looks: the client of an API key, or the operator who runs a command."""
    access: str
    """What: a route, such as `GET /api/entries/{entry_id}`, or a command, such as `quarantine show`."""
    subject: str | None = None
    """The id of what is looked at, where it is one thing."""
    detail: Mapping[str, Any] = {}
    """What else is asked for."""
    key_id: str | None = None
    """Names an issued key."""
    peer: str | None = None
    """The address at the other end of the connection."""


class Accessed(NamedTuple):
    """A line of the log. Fields stand in the order of the columns of `sql/accesses.sql`."""

    accessed_at: datetime
    access_id: UUID
    actor: str
    key_id: str | None
    peer: str | None
    database_login: str
    access: str
    subject: str | None
    detail: Mapping[str, Any]


class Filters(NamedTuple):
    """Which lines are meant; all that is given must hold."""

    actor: str | None = None
    """Text that the actor's name contains."""
    access: str | None = None
    """Text that the route or command contains."""
    subject: str | None = None
    since: datetime | None = None
    """At this time or later."""
    until: datetime | None = None
    """Before this time."""


def identifier(text: str) -> str:
    """Return what is logged of an identifier: storable, not too long, and without an NHS number."""
    storable = text.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode()
    return _LIKE_NHS_NUMBER.sub(_unless_nhs_number, storable)[:LONGEST]


def _unless_nhs_number(found: re.Match[str]) -> str:
    return found[0] if ten_digits(found[0].replace("-", "")) is None else "[NHS number]"


async def append_access(database: Database, access: Access) -> None:
    """Append a line; return after its commit.

    Raises as `eventstore.durable.committed` does: whoever cannot be logged must not be shown anything.
    """
    parameters = {
        **access._asdict(),
        "access_id": time_ordered_uuid(datetime.now(UTC), secrets.token_bytes(10)),
        "subject": None if access.subject is None else identifier(access.subject),
        "detail": json.dumps(access.detail),
    }

    async def append(connection: LedgerConnection) -> None:
        await run(connection, _APPEND, parameters)

    await committed(database, append)


async def accesses(database: Database, filters: Filters, limit: int) -> list[Accessed]:
    """Return at most `limit` lines of the log, newest first."""
    parameters = {**filters._asdict(), "limit": limit}
    async with (
        database.connection() as connection,
        connection.cursor(row_factory=args_row(Accessed)) as cursor,
    ):
        await cursor.execute(statement("eventstore", "accesses"), parameters)
        return await cursor.fetchall()
