"""The routes with which auditors sign in and out, and what lets them alone see the pages."""

import math
from collections.abc import Awaitable, Callable
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from eventstore.accesses import Access
from eventstore.caller import Scope
from ledger.attempts import Attempts
from ledger.peers import peer_of
from ledger.security import Callers, access_of
from ledger.sessions import Sessions
from query.pages.forms import read_form, require_token
from query.pages.page import Pages
from query.pages.sight import PREFIX, SEARCH
from query.pages.visitor import Visitor

log = structlog.get_logger()

SIGN_IN = f"{PREFIX}/sign-in"

LONGEST_KEY = 1024
"""Characters of what may be a key."""

NOT_SET_UP = "These pages are not set up: SESSION_SECRET is not set"


class NotSignedIn(Exception):
    """Nobody is signed in."""


def signed_in(
    sessions: Sessions, log_access: Callable[[Access], Awaitable[None]]
) -> Callable[..., Awaitable[Visitor]]:
    """Return the dependency that gives a route its visitor; raises `NotSignedIn`.

    The visitor is in the log of who looked before the route runs; unlogged, nothing is shown.
    """

    async def authorise(request: Request) -> Visitor:
        session = await sessions.find(request.cookies.get(sessions.cookie))
        if session is None:
            raise NotSignedIn
        visitor, renewed = session
        if renewed is not None:
            answer = Response()
            answer.set_cookie(sessions.cookie, renewed, **sessions.cookie_rules)
            visitor = visitor._replace(headers={"Set-Cookie": answer.headers["set-cookie"]})
        caller = visitor.caller
        structlog.contextvars.bind_contextvars(client_id=caller.client_id)
        if caller.key_id is not None:
            structlog.contextvars.bind_contextvars(key_id=caller.key_id)
        await log_access(access_of(request, caller))
        request.state.visitor = visitor  # the page that tells of an error shows who is signed in too
        return visitor

    return authorise


class SignInPage:
    """The page that asks for a key; where nobody can sign in it says so."""

    def __init__(self, pages: Pages, sessions: Sessions) -> None:
        """Take what renders pages, and the sessions that would begin."""
        self._pages = pages
        self._sessions = sessions

    def answer(self, following: str, code: int = 200, problem: str = "", wait: int = 0) -> Response:
        """Return the page; it leads to `following`, and a `wait` is in seconds."""
        if not self._sessions:
            return self._pages.error(503, NOT_SET_UP)
        return self._pages.page(
            "sign_in",
            code=code,
            headers={"Retry-After": str(wait)} if wait else {},
            next=_inside(following),
            problems={"key": problem} if problem else {},
        )

    def locked(self, following: str, wait: int) -> Response:
        """Return the page with word of when to try again."""
        minutes = math.ceil(wait / 60)
        after = f"in {minutes} minutes" if minutes > 1 else "in a minute"
        return self.answer(following, 429, f"Too many attempts failed. Try again {after}", wait)


def routes(
    page: SignInPage,
    sessions: Sessions,
    callers: Callers,
    attempts: Attempts,
    visitor: Callable[..., Awaitable[Visitor]],
) -> APIRouter:
    """Return the routes; `visitor` is the dependency that `signed_in` makes."""
    router = APIRouter(prefix=PREFIX, include_in_schema=False)

    @router.get("/sign-in")
    async def form() -> Response:
        """Ask for an auditor's key."""
        return page.answer(SEARCH)

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        """Begin a session, and go where one was about to go."""
        given = await read_form(request)
        following = _inside(given.get("next", ""))
        if not sessions:
            return page.answer(following)
        peer = peer_of(request)
        wait = attempts.wait(peer)
        if wait:
            log.warning("session.refused", reason="too many attempts")
            return page.locked(following, wait)
        key = given.get("key", "").strip()[:LONGEST_KEY].encode()
        if not key:
            return page.answer(following, 422, "Enter your auditor’s key")
        attempts.begin(peer)
        caller = await callers.find(key, Scope.AUDIT_READ)
        if caller is None:
            log.warning("session.refused", reason="no auditor's key")
            return page.answer(following, 401, "This key does not open the audit")
        attempts.succeeded(peer)
        log.info("session.began", client_id=caller.client_id, key_id=caller.key_id)
        answer = RedirectResponse(following, 303)
        answer.set_cookie(sessions.cookie, sessions.begin(key, caller), **sessions.cookie_rules)
        return answer

    @router.post("/sign-out")
    async def sign_out(request: Request, who: Annotated[Visitor, Depends(visitor)]) -> Response:
        """End the session in this browser."""
        require_token(await read_form(request), who.form_token)
        log.info("session.ended")
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(sessions.cookie, **sessions.cookie_rules)
        return answer

    return router


def _inside(path: str) -> str:
    """Return a path if it is one of the pages', and where everything begins if not."""
    inside = path.startswith(f"{PREFIX}/") and path.isascii() and path.isprintable() and "\\" not in path
    return path if inside and not path.startswith((SIGN_IN, f"{PREFIX}/sign-out")) else SEARCH
