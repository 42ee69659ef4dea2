"""Registers a batch: its new messages and the entry that states them, in a transaction that may run again."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from eventstore.arrays import Bytea, Text
from eventstore.database import Database, LedgerConnection
from eventstore.durable import committed, run
from eventstore.errors import LedgerError
from eventstore.recipients import RecipientKeys
from eventstore.statements import Numbered, statement
from ingest.batches import Batch, InvalidBatch
from ingest.registrations import RULES, Row, entry_body, rows_of

_REGISTER = Numbered(statement("ingest", "register"))
_REGISTERED = Numbered(statement("ingest", "registered"))
_REGISTERED_BEFORE = Numbered(statement("ingest", "registered_before"))
_ENTRY = Numbered(statement("ingest", "registration_entry"))


class UnknownRecipientKey(LedgerError):
    """A message is registered under a recipient key that this process does not have."""


class Sender(NamedTuple):
    """Who sent a batch, when, and the id of the entry that will state it: what the body does not say."""

    entry_id: UUID
    client_id: str
    received_at: datetime


class _Known(NamedTuple):
    """How a message is registered already."""

    message_reference: str
    routing_plan_id: str
    recipient_key_id: str
    recipient_token: bytes


async def register(database: Database, keys: RecipientKeys, sender: Sender, batch: Batch) -> int:
    """Register a batch under the current key; return how many of its messages are new, after the commit.

    A message that is registered already stays as it is, and where all are, nothing is written: the same batch
    again changes nothing. Raises `InvalidBatch` where one is registered for another recipient or with another
    routing plan, and what `eventstore.durable.committed` raises.
    """
    rows = rows_of(batch, partial(keys.token, keys.ids[0]), secrets.token_bytes)

    async def transaction(connection: LedgerConnection) -> int:
        async with connection.transaction():
            return await _register(connection, keys, sender, batch, rows)

    return await committed(database, transaction)


async def _register(
    connection: LedgerConnection, keys: RecipientKeys, sender: Sender, batch: Batch, rows: tuple[Row, ...]
) -> int:
    references, tokens, salts = zip(*rows, strict=True)
    parameters = {
        **sender._asdict(),
        "batch_reference": batch.reference,
        "routing_plan_id": batch.routing_plan_id,
        "recipient_key_id": keys.ids[0],
        "message_reference": Text(references),
        "recipient_token": Bytea(tokens),
        "salt": Bytea(salts),
        "rules": RULES,
    }
    # The rows come first: only the database can say which are new, and two batches that come at the same
    # moment wait for each other at the first row that they share.
    new = {reference for (reference,) in await run(connection, _REGISTER, parameters)}
    if len(new) < len(rows):
        known = await run(connection, _REGISTERED, parameters)
        _refuse_contradictions(batch, keys, (_Known(*one) for one in known if one[0] not in new))
    if new:
        stated = (row for row in rows if row.message_reference in new)
        parameters["body"] = entry_body(batch, keys.ids[0], stated)
        await run(connection, _ENTRY, parameters)
    else:
        await run(connection, _REGISTERED_BEFORE, parameters)
    return len(new)


def _refuse_contradictions(batch: Batch, keys: RecipientKeys, known: Iterable[_Known]) -> None:
    """Raise `InvalidBatch` for the first message that is registered otherwise than the batch says."""
    by_reference = {one.message_reference: one for one in known}
    for number, message in enumerate(batch.messages):
        one = by_reference.get(message.reference)
        if one is None:
            continue
        if one.recipient_key_id not in keys.ids:
            raise UnknownRecipientKey(one.recipient_key_id)
        if keys.token(one.recipient_key_id, message.nhs_number) != one.recipient_token:
            raise InvalidBatch(f"{batch.place(number)}: registered in this batch for another recipient")
        if one.routing_plan_id != batch.routing_plan_id:
            raise InvalidBatch(f"{batch.place(number)}: registered in this batch with another routing plan")
