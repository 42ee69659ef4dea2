"""`POST /api/message/batch`: a client registers the messages that it sends, with the body that it sends."""

import random
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from eventstore.caller import Caller, Scope
from eventstore.group_commit import Overloaded
from ingest.batch_openapi import REFUSALS, REQUEST_BODY
from ingest.batches import InvalidBatch
from ingest.endpoint import RETRY_AFTER
from ingest.recorder import new_request_id, utc_now
from ingest.registering import Sender
from ingest.registrar import Registrar, TooSlow

PATH = "/api/message/batch"

NOT_SET_UP = "Registration is not set up"

Require = Callable[[Scope], Callable[..., Any]]
"""Gives the dependency that lets a caller with a scope pass, and all others not."""

log = structlog.get_logger()


class BatchRegistered(BaseModel):
    """Every message of the batch is registered, now or since before."""

    status: Literal["success"] = "success"
    registered: Annotated[int, Field(description="how many messages the batch has", examples=[45_000])]


def routes(registrar: Callable[[], Registrar | None], require: Require, max_body_bytes: int) -> APIRouter:
    """Return the route over the registrar (asked for at each request: it opens with the service)."""
    router = APIRouter()
    client = require(Scope.BATCHES_WRITE)

    @router.post(
        PATH,
        status_code=201,
        response_model=BatchRegistered,
        responses=REFUSALS,
        openapi_extra={"requestBody": REQUEST_BODY},
        dependencies=[Depends(_refuse_encoded)],
        summary="A client registers the messages that it sends",
    )
    async def register_batch(request: Request, caller: Annotated[Caller, Depends(client)]) -> BatchRegistered:
        """Take the very body that the client sends to Notify's `/v1/message-batches`.

        Of each message the ledger keeps the reference and a token of the recipient; the NHS number, contact
        details and personalisation are not kept. The same batch again is 201 and changes nothing.
        """
        open_registrar = registrar()
        if open_registrar is None:
            raise HTTPException(503, NOT_SET_UP)
        _refuse_announced(request, max_body_bytes)
        now, client_id = utc_now(), caller.client_id
        sender = Sender(new_request_id(now), client_id, now)
        try:
            registered = await open_registrar.register(sender, _pieces(request, max_body_bytes))
        except InvalidBatch as error:
            log.warning("batch.refused", client_id=client_id, reason=error.detail)
            raise
        except Overloaded:
            log.warning("batch.turned_away", client_id=client_id)
            later = {"Retry-After": str(random.choice(RETRY_AFTER))}  # noqa: S311 - jitter
            raise HTTPException(429, "Too many requests", later) from None
        except (TooSlow, ClientDisconnect) as error:
            log.warning("batch.broken_off", client_id=client_id, reason=type(error).__name__)
            raise HTTPException(408, "Request timeout") from None
        log.info(
            "batch.registered",
            entry_id=str(sender.entry_id) if registered.new else None,
            client_id=client_id,
            messages=registered.messages,
            new=registered.new,
        )
        return BatchRegistered(registered=registered.messages)

    return router


def _refuse_encoded(request: Request) -> None:
    if "content-encoding" in request.headers:
        raise HTTPException(415, "Unsupported content encoding")


def _refuse_announced(request: Request, most: int) -> None:
    """Answer 413 before anything of the body is read, where it says itself that it is too large."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > most:
        raise _too_large()


async def _pieces(request: Request, most: int) -> AsyncIterator[bytes]:
    """Yield the body as it arrives; answer 413 as soon as it is too large."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise _too_large()
        yield piece


def _too_large() -> HTTPException:
    return HTTPException(413, "Request body too large")
