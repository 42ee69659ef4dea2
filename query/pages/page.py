"""Renders pages, each under a content security policy of its own that lets in nothing but ours."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import ChainableUndefined, ChoiceLoader, Environment, FileSystemLoader, PackageLoader
from markupsafe import Markup

from query.pages.styles import Styles
from query.pages.visitor import Visitor

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # `no-referrer` would blank the Origin of our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

ERRORS = {
    401: "You need to sign in",
    403: "You cannot do this",
    404: "Page not found",
    405: "You cannot do this",
    413: "That is too much",
    422: "There is a problem",
    429: "Too many attempts",
}
"""The title of the page that tells of an error; of any other code it is `UNFORESEEN`."""

UNFORESEEN = "Sorry, there is a problem with the service"

_COLOURS = {
    "delivered": "green",
    "read": "green",
    "received": "green",
    "failed": "red",
    "permanent_failure": "red",
    "technical_failure": "red",
    "temporary_failure": "red",
    "rejected": "red",
    "validation_failed": "red",
    "virus_scan_failed": "red",
    "returned": "red",
    "cancelled": "red",
    "unnotified": "orange",
    "stale_pds": "orange",
    "retry": "orange",
    "skipped": "grey",
    "unknown": "grey",
}


def shown(text: object) -> str:
    """Return a stranger's text with every character that cannot be seen written as its escape."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode()
        for one in ("" if text is None else str(text))
    )


def shown_body(body: bytes) -> str:
    """Return the bytes of a request as text, its line ends kept."""
    text = body.decode("utf-8", "backslashreplace")
    return "\n".join(shown(line) for line in text.split("\n"))


def instant(moment: datetime) -> str:
    """Return a moment as the questions of the pages take it, to the microsecond."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def shown_moment(moment: datetime | None) -> Markup:
    """Return a moment for people, to the millisecond, UTC as all are."""
    if moment is None:
        return Markup("")
    text = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"
    return Markup('<time datetime="{}">{}</time>').format(instant(moment), text)


def duration(span: timedelta) -> str:
    """Return a span of time for people, in its largest unit."""
    seconds = max(span.total_seconds(), 0)
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.1f} seconds"


def colour(status: str) -> str:
    """Return the colour of a status's tag."""
    return _COLOURS.get(status, "blue")


def in_path(text: str) -> str:
    """Return a part of a path; the supplier's ids are opaque, any character may be in one."""
    return quote(text, safe="")


@cache
def templates() -> Environment:
    """Return the templates of the pages; one for the process, for to compile them is most of a first page."""
    environment = Environment(
        loader=ChoiceLoader(
            [FileSystemLoader(Path(__file__).parent / "templates"), PackageLoader("nhsuk_frontend_jinja")]
        ),
        autoescape=True,
        undefined=ChainableUndefined,  # as nhsuk-frontend-jinja asks for
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "shown": shown,
        "moment": shown_moment,
        "instant": instant,
        "colour": colour,
        "duration": duration,
        "in_path": in_path,
        "thousands": lambda number: f"{number:,}",
    }
    return environment


class Pages:
    """Renders the templates in the styles that there are."""

    def __init__(self, styles: Styles) -> None:
        """Take the styles."""
        self.styles = styles

    def page(
        self,
        template: str,
        *,
        visitor: Visitor | None = None,
        code: int = 200,
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> HTMLResponse:
        """Return a template as an answer."""
        nonce = secrets.token_urlsafe(16)
        text = (
            templates()
            .get_template(f"{template}.jinja")
            .render(context, styles=self.styles, cspNonce=nonce, visitor=visitor)
        )
        borne = {**HEADERS, **(visitor.headers if visitor else {}), **(headers or {})}
        return HTMLResponse(text, code, {**borne, "Content-Security-Policy": policy(nonce)})

    def error(
        self,
        code: int,
        told: str | None = None,
        *,
        visitor: Visitor | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """Return the page that tells of an error, and what to do."""
        title = ERRORS.get(code, UNFORESEEN)
        return self.page(
            "error", visitor=visitor, code=code, headers=headers, error_code=code, title=title, told=told
        )


def policy(nonce: str) -> str:
    """Return a content security policy: styles and images of ours, and the scripts that bear the nonce."""
    return "; ".join(
        [
            "default-src 'none'",
            "style-src 'self'",
            f"script-src 'nonce-{nonce}'",
            "img-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )
