"""Reads the forms of the pages, strictly, and only those that the pages themselves sent."""

import hmac
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request

from query.filters import InvalidQuery, unique

LARGEST_FORM = 16 * 1024
"""Bytes that a form may have."""

TOKEN = "form_token"  # noqa: S105 - the name of a field


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form that one of our pages sent.

    A browser says from where a form was sent (`Sec-Fetch-Site`, or `Origin`); one that comes from another
    site, or does not say, is answered 403. Raises `InvalidQuery` where a field is repeated.
    """
    if not _is_ours(request):
        raise HTTPException(403, "This form was not sent from these pages")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise HTTPException(413, "Request body too large")
    text = body.decode("ascii", "replace")
    try:
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=50)
    except ValueError as error:
        raise HTTPException(422, "This is no form of these pages") from error
    return unique(fields)


def require_token(form: dict[str, str], token: str) -> None:
    """Take the session's token from a form; answers 403 where it is not there."""
    if not hmac.compare_digest(form.pop(TOKEN, "").encode(), token.encode()):
        raise HTTPException(403, "This form was not sent from these pages")


def told(error: InvalidQuery) -> str:
    """Return what is wrong, without the name of the parameter, and as a sentence."""
    _, _, what = error.detail.partition(": ")
    return f"This {what}"


def _is_ours(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    host = request.headers.get("origin", "").partition("://")[2]
    return bool(host) and host == request.headers.get("host")
