"""Batches that are dropped as files: what a client would post, as JSON or CSV, and a result beside each.

A file at the top of the container is registered for the client of `CLIENT_API_KEY`, one in a folder for the
client of that name, which must have an API key that may register. The same file again changes nothing, so it
does no harm that a file may be brought twice, and it will be again after a failure.
"""

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import orjson
import structlog

from eventstore.caller import Scope
from eventstore.errors import LedgerError
from ingest.batches import InvalidBatch
from ingest.recorder import new_request_id, utc_now
from ingest.registering import Sender
from ingest.registrar import Form
from ledger.issued_keys import read_keys
from ledger.runtime import CLIENT, Ledger

RESULT = ".result.json"
"""How the name of a result ends, after that of its file."""

_PIECE = 64 * 1024

log = structlog.get_logger()


class RegistrationNotSetUp(LedgerError):
    """A batch file waits for RECIPIENT_KEY, which is not set."""


def is_result(name: str) -> bool:
    """Whether a file is the result of another."""
    return name.endswith(RESULT)


async def register_file(ledger: Ledger, name: str, content: bytes) -> bytes:
    """Register the batch that a file states; return the result to be written beside it.

    `name` is relative to the container. Raises what leaves the file to be tried again: `NotOpen`,
    `RegistrationNotSetUp`, `Overloaded`, `TooSlow`, `RegistrationFailed` and what the database raises.
    """
    told: dict[str, Any] = {"sha256": hashlib.sha256(content).hexdigest()}
    try:
        told |= await _registered(ledger, name, content)
    except InvalidBatch as error:
        told["status"] = error.detail
        log.warning("batch.refused", **told)
    else:
        log.info("batch.registered", **told)
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


async def _registered(ledger: Ledger, name: str, content: bytes) -> dict[str, Any]:
    registrar = ledger.registrar
    if registrar is None:
        raise RegistrationNotSetUp
    form = _form_of(name)
    most = ledger.settings.max_batch_body_bytes
    if len(content) > most:
        raise InvalidBatch(f"file: larger than {most} bytes")
    now, client_id = utc_now(), await _client_of(ledger, name)
    sender = Sender(new_request_id(now), client_id, now)
    registered = await registrar.register(sender, _pieces(content), form=form)
    return {
        "status": "success",
        "client": client_id,
        "entry_id": str(sender.entry_id) if registered.new else None,
        "registered": registered.messages,
        "new": registered.new,
    }


def _form_of(name: str) -> Form:
    match name.lower().rpartition("."):
        case _, ".", "json":
            return "json"
        case _, ".", "csv":
            return "csv"
        case _:
            raise InvalidBatch("file: must be named .json or .csv")


async def _client_of(ledger: Ledger, name: str) -> str:
    folder, slash, _ = name.partition("/")
    if not slash:
        return CLIENT
    for key in (await read_keys(ledger.database)).values():
        if key.caller.client_id == folder and Scope.BATCHES_WRITE in key.caller.scopes:
            return folder
    raise InvalidBatch("file: must be in no folder, or in that of a client whose API key may register")


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]
