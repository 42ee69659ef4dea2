"""Requests that a service refused and kept, made as suppliers make them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx

from eventstore.database import Database
from ingest.replay import Replayer, Rules
from ingest.signature import SigningSecrets
from ledger.runtime import SUPPLIER
from projections.projection import kept_in_step
from tests.support.database import execute
from tests.support.supplier import HMAC_SECRET, SECRETS, body, delivered, signed

MENDED_SECRET = "TEST_APPLICATION.mended"
"""What the supplier signs with before the service knows it."""

MENDED = Rules(SigningSecrets(MENDED_SECRET, HMAC_SECRET), max_items=1000, supplier=SUPPLIER)
"""The rules once the service knows it."""

TODAY = Rules(SECRETS, max_items=1000, supplier=SUPPLIER)


async def refused(client: httpx.AsyncClient, answer: int, content: bytes | None = None) -> UUID:
    """Have a callback refused, and return the id of what is kept of it."""
    if content is None:
        unknown = {"supplierStatus": "teleported"} if answer == 422 else {}
        content = body(delivered(key=f"key-{answer}", **unknown))
    changes = {
        401: {"x_api_key": "another"},
        403: {"x_hmac_sha256_signature": SigningSecrets(MENDED_SECRET).sign(content)},
        422: {},
    }
    answered = await client.post(
        "/api/status/create", content=content, headers=signed(content, **changes[answer])
    )
    assert answered.status_code == answer
    return UUID(answered.headers["x-request-id"])


@asynccontextmanager
async def operating(url: str) -> AsyncIterator[Database]:
    """Lend the database as operators have it."""
    async with Database(url, role="ledger_operator", connections=4) as database:
        yield database


def replayer(database: Database, rules: Rules = MENDED, **who: Any) -> Replayer:
    """Return one that replays on behalf of somebody."""
    return Replayer(database, kept_in_step(), rules, **{"actor": "somebody", **who})


def held(url: str) -> tuple[int, int]:
    """Return how much the quarantine holds, once it was seen that this is what it counts."""
    ((counted, counted_bytes, requests, size),) = execute(
        url,
        "SELECT usage.requests, usage.bytes, count(quarantine_id), coalesce(sum(octet_length(body)), 0)"
        " FROM quarantine_usage AS usage LEFT JOIN quarantine ON settled_at IS NULL GROUP BY 1, 2",
    )
    assert (counted, counted_bytes) == (requests, size)
    return int(str(counted)), int(str(counted_bytes))
