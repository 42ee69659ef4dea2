"""An auditor's browser, in process: it sends forms as a page of ours would, and keeps cookies."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser

import httpx

from tests.support.supplier import AUDITOR_API_KEY

OURS = {"sec-fetch-site": "same-origin"}
"""What a browser says of a form that a page of ours sent."""

SIGN_IN = "/audit/sign-in"


async def sign_in(browser: httpx.AsyncClient, key: str = AUDITOR_API_KEY, **fields: str) -> httpx.Response:
    """Send the form that asks for a key."""
    return await browser.post(SIGN_IN, data={"key": key, **fields}, headers=OURS)


async def search(browser: httpx.AsyncClient, **fields: str) -> httpx.Response:
    """Send the form that asks what to search for, with the session's token."""
    token = form_token((await browser.get("/audit/search")).text)
    return await browser.post("/audit/search", data={"form_token": token, **fields}, headers=OURS)


def form_token(page: str) -> str:
    """Return the token in a page's forms."""
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', page)
    assert found is not None, page
    return found[1]


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, Mapping[str, str | None]]] = []
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def text_of(page: str) -> str:
    """Return what a page says, its white space made single."""
    parser = _Text()
    parser.feed(page)
    return " ".join(" ".join(parser.parts).split())


def elements_of(page: str) -> list[tuple[str, Mapping[str, str | None]]]:
    """Return every element of a page with its attributes."""
    parser = _Text()
    parser.feed(page)
    return parser.elements
