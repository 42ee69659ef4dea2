"""`GET /metrics`: what the service has measured, for Prometheus."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, HTTPException, Request, Response

from ledger.security import INVALID_API_KEY, ring
from ledger.settings import Settings
from ledger.telemetry.exposition import MEDIA_TYPE
from query.openapi import refused

_BEARER = b"bearer "


def routes(text: Callable[[], Awaitable[bytes]], settings: Settings) -> APIRouter:
    """Return the route, open on somebody's own machine, and elsewhere to who bears `METRICS_API_KEY`."""
    router = APIRouter(tags=["health"])
    keys = ring(settings.metrics_api_key, settings.metrics_api_key_previous)
    is_open = settings.metrics_api_key is None and not settings.deployed

    @router.get(
        "/metrics",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
            **refused(401, INVALID_API_KEY),
        },
        summary="What the service has measured, as Prometheus text",
    )
    async def metrics(request: Request) -> Response:
        """Answer what all processes of the service have measured.

        The key comes as `x-api-key` or as `Authorization: Bearer …`, once.
        """
        if not is_open:
            sent = list(_keys(request.scope["headers"]))
            if len(sent) != 1 or not keys.knows(sent[0]):
                raise HTTPException(401, INVALID_API_KEY)
        return Response(await text(), media_type=MEDIA_TYPE)

    return router


def _keys(headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the keys that a request bears."""
    keys = [value for name, value in headers if name == b"x-api-key"]
    bearers = [value for name, value in headers if name == b"authorization"]
    return keys + [value[len(_BEARER) :] for value in bearers if value.lower().startswith(_BEARER)]
