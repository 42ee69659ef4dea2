"""The routes that an application has, whoever included them."""

from collections.abc import Iterator
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import Route


def routes_of(routes: list[Any]) -> Iterator[str]:
    """Yield the routes of an application (`GET /api/statuses`), those of the routers that it includes too."""
    for route in routes:
        if isinstance(route, APIRoute | Route):
            path = getattr(route, "path_format", route.path)
            yield from (f"{method} {path}" for method in route.methods or ())
        else:
            yield from routes_of(route.original_router.routes)
