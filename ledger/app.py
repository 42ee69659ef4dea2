"""The web application: every route, every error's answer, and the headers that all answers bear."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from eventstore import caller
from eventstore.accesses import Access, append_access
from eventstore.database import Database
from eventstore.errors import LedgerError
from eventstore.recipients import RecipientKeys
from ingest import batch_routes, endpoint, openapi
from ingest.batches import InvalidBatch
from ingest.endpoint import CallbackEndpoint
from ledger import health, metrics, sign_in
from ledger.answer_headers import AnswerHeaders
from ledger.attempts import Attempts
from ledger.inspection import Inspection
from ledger.issued_keys import IssuedKeys, read_keys
from ledger.peers import ForwardedPeers
from ledger.runtime import Ledger, kept_secrets
from ledger.security import Callers, ring
from ledger.sessions import Sessions
from ledger.settings import Settings
from ledger.sign_in import NotSignedIn, SignInPage
from ledger.telemetry.logs import configure_logging
from ledger.telemetry.requests import Requests
from ledger.telemetry.telemetry import Telemetry
from ledger.unrouted import Unrouted
from query import audit_routes, ledger_routes, report_routes
from query import endpoint as query_endpoint
from query import routes as query_routes
from query.endpoint import StatusesEndpoint
from query.filters import InvalidQuery
from query.lookups import Lookups
from query.models import Statuses
from query.pages.page import Pages
from query.pages.routes import routes as pages_routes
from query.pages.sight import PREFIX, Sight
from query.pages.styles import read_styles
from query.streams import Streams

log = structlog.get_logger()

STATUS_OF: dict[type[LedgerError], int] = {
    InvalidBatch: 422,
    InvalidQuery: 422,
}
"""The HTTP answer of each error that is the caller's; all others are 500 `{"status": "error"}`.

The hot path answers for itself: see `ingest/endpoint.py`.
"""


class StatusLedger(FastAPI):
    """FastAPI with two shortcuts: a callback, and mostly a read of statuses, go straight to their endpoints.

    The endpoints are routes of the application like any other, but need none of what the framework's
    middleware and router would do for them at each request.
    """

    def __init__(
        self, ledger: Ledger, callbacks: CallbackEndpoint, *, over_https: bool, **options: Any
    ) -> None:
        """Take the ledger that it serves, the callback endpoint, and whether browsers must use HTTPS."""
        super().__init__(**options)
        self._over_https = over_https
        self.ledger = ledger
        self.callbacks = callbacks
        self.router.routes.append(Route(endpoint.PATH, callbacks, methods=["POST"]))
        self._shortcuts: dict[tuple[str, str], ASGIApp] = {("POST", endpoint.PATH): callbacks}

    def shorten(self, method: str, path: str, to: ASGIApp, requests: Requests) -> None:
        """Serve a route by its endpoint alone, within `AnswerHeaders`; it is measured by `requests`."""
        served = Unrouted(to, self.exception_handlers, requests)
        self._shortcuts[method, path] = AnswerHeaders(served, over_https=self._over_https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by a shortcut, everything else by way of FastAPI."""
        if scope["type"] == "http":
            shortcut = self._shortcuts.get((scope["method"], scope["path"]))
            if shortcut is not None:
                await shortcut(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """Return FastAPI's layers within `AnswerHeaders`: its answer to unforeseen errors bears them too."""
        return AnswerHeaders(super().build_middleware_stack(), over_https=self._over_https)

    def openapi(self) -> dict[str, Any]:
        """Return the description of the API, the callback endpoint included."""
        if self.openapi_schema is None:
            schema = super().openapi()
            schema["paths"][endpoint.PATH] = openapi.PATH_ITEM
            _tell_the_truth(schema)
        return self.openapi_schema or {}


def _tell_the_truth(schema: dict[str, Any]) -> None:
    """Leave out FastAPI's own 422, which no route gives; put back the nulls that it drops from examples."""
    for path in schema["paths"].values():
        for operation in path.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                del operation["responses"]["422"]
    components = schema["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        components.pop(unused, None)
    components[Statuses.__name__]["examples"] = Statuses.model_json_schema()["examples"]


def create_app(settings: Settings | None = None) -> StatusLedger:
    """Return the application; its lifespan opens and closes the ledger."""
    settings = settings or Settings.load()
    configure_logging(settings.log_level)
    telemetry = Telemetry(settings)
    ledger = Ledger(settings, observe=telemetry.observe, connected=telemetry.trace)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await ledger.open_soon()
        try:
            await telemetry.open()
            yield
        finally:
            await ledger.close()
            await telemetry.close()

    async def log_access(access: Access) -> None:
        await append_access(ledger.database, access)

    callers = Callers.of(settings, IssuedKeys(lambda: read_keys(ledger.database)), log_access)
    suppliers = ring(settings.notify_api_key, settings.notify_api_key_previous)
    callbacks = CallbackEndpoint(
        lambda: ledger.recorder, suppliers.knows, settings.max_body_bytes, telemetry.callbacks.begin
    )
    telemetry.watch(ledger, callbacks.answered)
    app = StatusLedger(
        ledger,
        callbacks,
        over_https=settings.deployed,
        title="Status Ledger",
        version=version("status-ledger"),
        description=__doc__.partition("\n")[0],
        lifespan=lifespan,
        docs_url=None,  # Swagger's page loads scripts from elsewhere
        redoc_url=None,
        openapi_url=None if settings.deployed else "/openapi.json",
        telemetry=telemetry.framework,
    )
    if settings.trusted_proxies:
        app.add_middleware(ForwardedPeers, proxies=settings.trusted_proxies)
    app.include_router(
        batch_routes.routes(lambda: ledger.registrar, callers.require, settings.max_batch_body_bytes)
    )
    recipients = RecipientKeys(*settings.recipient_keys)
    verifies = kept_secrets(settings).verifies
    app.include_router(audit_routes.routes(lambda: ledger.database, recipients, callers.require, verifies))
    app.include_router(ledger_routes.routes(lambda: ledger.database, callers.require))
    _serve_statuses(app, recipients, callers, telemetry)
    app.include_router(report_routes.routes(lambda: ledger.database, callers.require, settings.overdue_terms))
    app.include_router(health.routes(lambda: ledger))
    app.include_router(metrics.routes(telemetry.text, settings))
    pages = Pages(read_styles())
    sessions = Sessions(settings.session_secrets, callers, secure=settings.deployed)
    visitor = sign_in.signed_in(sessions, log_access)
    sign_in_page = SignInPage(pages, sessions)
    app.include_router(sign_in.routes(sign_in_page, sessions, callers, Attempts(), visitor))
    sight = Sight(
        lambda: ledger.database,
        recipients,
        verifies,
        Inspection(lambda: ledger.database, settings),
    )
    app.include_router(pages_routes(sight, pages, visitor))
    _answer_errors(app, pages)
    _ask_to_sign_in(app, sign_in_page)
    return app


def _serve_statuses(
    app: StatusLedger, recipients: RecipientKeys, callers: Callers, telemetry: Telemetry
) -> None:
    """Serve the reads of statuses; where requests are traced, by way of FastAPI, which makes the spans."""
    ledger = app.ledger

    def database() -> Database:
        return ledger.database

    statuses = StatusesEndpoint(
        database,
        recipients,
        partial(callers.admit, scope=caller.Scope.STATUSES_READ),
        Streams(database, ledger.settings.max_streams),
        None if telemetry.traces else Lookups(database),
    )
    app.include_router(query_routes.routes(database, recipients, callers.require, statuses))
    if not telemetry.traces:
        app.shorten("GET", query_endpoint.PATH, statuses, telemetry.requests)


def _answer_errors(app: FastAPI, pages: Pages) -> None:
    def answer(request: Request, code: int, status: str, headers: Any = None) -> Response:
        if request.url.path.startswith(f"{PREFIX}/"):
            return pages.error(code, status, visitor=getattr(request.state, "visitor", None), headers=headers)
        return JSONResponse({"status": status}, code, headers)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        detail = error.detail or HTTPStatus(error.status_code).phrase
        return answer(request, error.status_code, str(detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, _: RequestValidationError) -> Response:
        return answer(request, 422, "Unprocessable Content")  # FastAPI's own answer echoes what was sent

    @app.exception_handler(LedgerError)
    async def ledger_error(request: Request, error: LedgerError) -> Response:
        code = STATUS_OF.get(type(error))
        if code is not None:
            return answer(request, code, error.detail)
        log.error("request.failed", error=type(error).__name__, exc_info=error)
        return answer(request, 500, "error")

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, _: ClientDisconnect) -> Response:
        return answer(request, 400, "Bad Request")  # to nobody

    @app.exception_handler(psycopg.Error)
    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        log.error("request.failed", error=type(error).__name__, exc_info=error)
        return answer(request, 500, "error")


def _ask_to_sign_in(app: FastAPI, page: SignInPage) -> None:
    @app.exception_handler(NotSignedIn)
    async def not_signed_in(request: Request, _: NotSignedIn) -> Response:
        """Answer 401 with the page to sign in, which then leads to where one was about to go."""
        query = f"?{request.url.query}" if request.url.query else ""
        following = f"{request.url.path}{query}" if request.method == "GET" else ""
        return page.answer(following, 401)
