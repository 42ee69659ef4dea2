"""The pages in a real browser: by keyboard alone, at two widths, with nothing that shuts anybody out."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.service import ROOT, Service, running
from tests.support.supplier import AUDITOR_API_KEY, body, delivered, item

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
MESSAGE = "2WL3qFTEFM0qMY8xjRbt1LIKCzM"

pytestmark = pytest.mark.slow  # they start a service and a browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium; CI must have it."""
    found = shutil.which("chromium")
    if found is None or not AXE.exists():
        told = "Chromium is not installed" if found is None else "axe-core was not fetched: `make styles`"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    """A running service that heard of one message."""
    with running(tmp_path, DATABASE_URL=database_url) as service:
        sms = {"channel": "sms", "channelStatus": "sending", "timestamp": "2026-11-20T10:00:00Z"}
        for one in (
            item(
                MESSAGE,
                key="k0",
                kind="MessageStatus",
                messageStatus="sending",
                timestamp="2026-11-20T09:00:00Z",
            ),
            item(MESSAGE, key="k1", **sms),
            item(
                MESSAGE, key="k2", channel="nhsapp", channelStatus="failed", timestamp="2026-11-19T09:00:00Z"
            ),
            delivered(MESSAGE, key="k3", timestamp="2026-11-22T10:00:00Z"),
            delivered(MESSAGE, key="k3", timestamp="2026-11-22T10:00:00Z", supplierStatus="read"),
        ):
            assert service.post(body(one)).status_code == 200
        yield service


def opened(chromium: Browser, width: str, told: list[str]) -> Page:
    """Return a page of a browser that notes in `told` what went wrong, and what it asked for elsewhere."""
    wide, high = WIDTHS[width]
    page = chromium.new_context(viewport={"width": wide, "height": high}).new_page()
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("console", lambda said: told.append(said.text) if "Content Security" in said.text else None)
    page.on("request", lambda asked: None if "//127.0.0.1:" in asked.url else told.append(asked.url))
    return page


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has the focus bears this name."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.locator(":focus:is(a, button, input, summary)")
        if focused.count() and name in (focused.inner_text() or focused.get_attribute("id") or ""):
            return
    raise AssertionError(f"{name!r} cannot be reached with the keyboard")


def test_an_auditor_signs_in_searches_reads_and_cuts_a_timeline_with_the_keyboard_alone(
    chromium: Browser, service: Service
) -> None:
    told: list[str] = []
    page = opened(chromium, "desktop", told)
    page.goto(f"http://127.0.0.1:{service.port}/audit")
    tab_to(page, "key")
    page.keyboard.type(AUDITOR_API_KEY)
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit/search")
    tab_to(page, "messageId")
    page.keyboard.type(MESSAGE)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Messages found")
    tab_to(page, MESSAGE)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/audit/messages/{MESSAGE}")
    assert page.locator("thead th").last.inner_text() == "Notes"
    assert page.locator(".ledger-timeline tbody tr").count() == 5
    tab_to(page, "Cut the timeline at a time")
    page.keyboard.press("Enter")
    tab_to(page, "as_of")
    page.keyboard.type("2026-11-21")
    page.keyboard.press("Enter")
    page.wait_for_url("**as_of=2026-11-21*")
    assert page.locator(".ledger-timeline tbody tr").count() == 3
    tab_to(page, "Callback and its proof")
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit/entries/*")
    assert page.locator("dl .nhsuk-tag").inner_text() == "verified"
    tab_to(page, "Sign out")
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit/sign-in")
    assert told == []
    page.context.close()


@pytest.mark.parametrize("width", list(WIDTHS))
def test_no_page_has_a_violation_that_axe_finds_nor_is_wider_than_its_screen(
    chromium: Browser, service: Service, width: str
) -> None:
    told: list[str] = []
    page = opened(chromium, width, told)
    at = f"http://127.0.0.1:{service.port}/audit"

    def look(name: str) -> None:
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found: dict[str, Any] = page.evaluate("axe.run()")
        assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width][0], name

    page.goto(at)
    look("sign in")
    page.fill("#key", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=There is a problem")
    look("sign in, refused")
    page.fill("#key", AUDITOR_API_KEY)
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit/search")
    look("search")
    page.click("main button")
    page.wait_for_selector("text=There is a problem")
    look("search, refused")
    page.fill("#messageId", MESSAGE)
    page.click("main button")
    page.wait_for_selector("text=Messages found")
    look("results")
    entry = ""
    for path in (
        f"messages/{MESSAGE}",
        f"messages/{MESSAGE}?as_of=2026-11-21",
        f"messages/{MESSAGE}?as_of=x",
    ):
        page.goto(f"{at}/{path}")
        entry = page.locator(".ledger-timeline a[href*=entries]").first.get_attribute("href") or ""
        look(path)
    for path in (entry.removeprefix("/audit/"), "overview", "overview?from=x", "ledger", "nowhere"):
        page.goto(f"{at}/{path}")
        look(path)
    assert told == []
    page.context.close()
