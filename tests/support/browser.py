"""A real browser, Debian's Chromium, and what a page must never do in it."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.service import ROOT
from tests.support.supplier import AUDITOR_API_KEY

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Lend Chromium; without it the test is skipped and says so, but not in CI, which must have it."""
    found = shutil.which("chromium")
    if found is None or not AXE.exists():
        told = "Chromium is not installed" if found is None else "axe-core was not fetched: `make styles`"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(f"the pages are not tried in a browser: {told}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


class Visit:
    """A visit to the pages; `told` is what went wrong, and what was asked of another host."""

    def __init__(self, chromium: Browser, port: int, width: str = "desktop", **context: Any) -> None:
        wide, high = WIDTHS[width]
        self.width = wide
        self.at = f"http://127.0.0.1:{port}/audit"
        self.told: list[str] = []
        page = chromium.new_context(viewport={"width": wide, "height": high}, **context).new_page()
        page.on("pageerror", lambda error: self.told.append(str(error)))
        page.on(
            "console", lambda said: self.told.append(said.text) if "Content Security" in said.text else None
        )
        page.on("request", lambda asked: None if f":{port}/" in asked.url else self.told.append(asked.url))
        self.page: Page = page

    def sign_in(self, following: str = "") -> None:
        """Sign in, on the way to a page."""
        self.page.goto(f"{self.at}/{following}")
        self.page.fill("#key", AUDITOR_API_KEY)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("text=Signed in as")

    def go(self, path: str) -> None:
        """Open a page."""
        self.page.goto(f"{self.at}/{path}")

    def tab_to(self, name: str) -> None:
        """Press Tab until what has the focus bears this name."""
        for _ in range(60):
            self.page.keyboard.press("Tab")
            focused = self.page.locator(":focus:is(a, button, input, summary)")
            if focused.count() and name in (focused.inner_text() or focused.get_attribute("id") or ""):
                return
        raise AssertionError(f"{name!r} cannot be reached with the keyboard")

    def look(self, name: str) -> None:
        """Hold the page that is open against axe, and against the width of the screen."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = self.page.evaluate("axe.run()")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == [], name
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width, name
        self.picture(name)

    def picture(self, name: str) -> None:
        """Take a picture for whoever names a folder in `SCREENSHOTS`, to look at with their own eyes."""
        if folder := os.environ.get("SCREENSHOTS"):
            file = re.sub(r"[^\w.]+", "-", name)
            self.page.screenshot(path=f"{folder}/{file}-{self.width}.png", full_page=True)

    def end(self) -> None:
        """Close it, and find that nothing went wrong."""
        self.page.context.close()
        assert self.told == []
