"""Health: whether the process is up, and whether it can do its work."""

from collections.abc import Callable
from typing import Literal

import psycopg
from fastapi import APIRouter, Response
from pydantic import BaseModel

from eventstore.errors import LedgerError
from ledger.migration import head
from ledger.preflight import reached
from ledger.runtime import Ledger


class Health(BaseModel):
    """How the service is."""

    status: Literal["healthy"] = "healthy"


class Readiness(BaseModel):
    """Whether the service can take callbacks, and what it lacks if not."""

    status: Literal["ready", "not ready"]
    missing: list[str] = []


async def missing(ledger: Ledger) -> list[str]:
    """Return what the service lacks to do its work: `database`, `migrations`."""
    try:
        async with ledger.database.connection() as connection:
            cursor = await connection.execute("SELECT version_num FROM alembic_version")
            revisions = [revision for (revision,) in await cursor.fetchall()]
    except psycopg.errors.UndefinedTable:
        return ["migrations"]
    except (LedgerError, psycopg.Error):
        return ["database"]
    return [] if reached(revisions, head()) else ["migrations"]


def routes(ledger: Callable[[], Ledger]) -> APIRouter:
    """Return the health routes, which need no key."""
    router = APIRouter(tags=["health"])

    @router.get("/api/healthcheck", response_model=Health, summary="The process is up")
    async def healthcheck() -> Health:
        """Answer 200 as long as the process runs."""
        return Health()

    @router.get(
        "/api/healthcheck/ready",
        response_model=Readiness,
        responses={503: {"model": Readiness, "description": "Not ready; `missing` says why"}},
        summary="The service can take callbacks",
    )
    async def ready(response: Response) -> Readiness:
        """Answer 200, or 503 with what is missing: `database`, `migrations`."""
        lacking = await missing(ledger())
        if lacking:
            response.status_code = 503
            return Readiness(status="not ready", missing=lacking)
        return Readiness(status="ready")

    return router
