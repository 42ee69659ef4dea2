"""The routes that an application has, whoever included them, and whom each opens to."""

from collections.abc import Iterator
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import Route

from eventstore.caller import Scope

SUPPLIER = "supplier"
OPEN = "open"
SESSION = "session"
"""Opens to whoever is signed in: no header does."""
METRICS = "metrics"

RULES: dict[str, str] = {
    "POST /api/status/create": SUPPLIER,
    "POST /api/message/batch": Scope.BATCHES_WRITE,
    "GET /api/statuses": Scope.STATUSES_READ,
    "POST /api/statuses/search": Scope.STATUSES_READ,
    "GET /api/messages": Scope.AUDIT_READ,
    "GET /api/reports/delivery": Scope.STATUSES_READ,
    "GET /api/reports/overdue": Scope.STATUSES_READ,
    "GET /api/messages/{message_id}/timeline": Scope.AUDIT_READ,
    "GET /api/entries/{entry_id}": Scope.AUDIT_READ,
    "GET /api/entries": Scope.AUDIT_READ,
    "GET /api/ledger/checkpoint": Scope.AUDIT_READ,
    "GET /api/ledger/proof/{entry_id}": Scope.AUDIT_READ,
    "GET /api/healthcheck": OPEN,
    "GET /api/healthcheck/ready": OPEN,
    "GET /metrics": METRICS,
    "GET /audit": SESSION,
    "GET /audit/": SESSION,
    "GET /audit/search": SESSION,
    "POST /audit/search": SESSION,
    "GET /audit/messages/{message_id}": SESSION,
    "GET /audit/entries/{entry_id}": SESSION,
    "GET /audit/overview": SESSION,
    "GET /audit/ledger": SESSION,
    "GET /audit/{anything}": SESSION,
    "POST /audit/sign-out": SESSION,
    "GET /audit/sign-in": OPEN,
    "POST /audit/sign-in": OPEN,
    "GET /audit/assets/{name}": OPEN,
    "GET /openapi.json": OPEN,
    "HEAD /openapi.json": OPEN,
}
"""What a key must be good for, by route. A new route fails the test until it has its rule."""


def routes_of(routes: list[Any]) -> Iterator[str]:
    """Yield the routes of an application (`GET /api/statuses`), those of the routers that it includes too."""
    for route in routes:
        if isinstance(route, APIRoute | Route):
            path = getattr(route, "path_format", route.path)
            yield from (f"{method} {path}" for method in route.methods or ())
        else:
            yield from routes_of(route.original_router.routes)
