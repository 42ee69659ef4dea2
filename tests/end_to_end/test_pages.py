"""The pages in a real browser: by keyboard alone, at two widths, with nothing that shuts anybody out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ledger.attempts import MOST_OF_ONE
from tests.support.browser import Visit, chromium
from tests.support.database import cloned, execute
from tests.support.sealing import leaves, tampered
from tests.support.service import Service, running
from tests.support.supplier import AUDITOR_API_KEY, body, delivered, item

MESSAGE = "2WL3qFTEFM0qMY8xjRbt1LIKCzM"
OTHER = "2WL3qFTEFM0qMY8xjRbt1LIKCzN"
SIZES = ["desktop", pytest.param("phone", marks=pytest.mark.slow)]
ALTERED = "Important: Part of this is not what was sealed"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def ledger(postgres: str) -> Iterator[str]:
    """The URL of a database for the tests of this module."""
    with cloned(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def service(browser: Browser, ledger: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service that heard of two messages, and sealed what it heard."""
    del browser  # without one nothing is started
    with running(tmp_path_factory.mktemp("service"), DATABASE_URL=ledger, SEAL_EVERY="0.05") as service:
        sms = {"channel": "sms", "channelStatus": "sending", "timestamp": "2026-11-20T10:00:00Z"}
        said = {"messageStatus": "sending", "timestamp": "2026-11-20T09:00:00Z"}
        failed = {"channel": "nhsapp", "channelStatus": "failed", "timestamp": "2026-11-19T09:00:00Z"}
        later = {"key": "k3", "timestamp": "2026-11-22T10:00:00Z"}
        for one in (
            item(MESSAGE, key="k0", kind="MessageStatus", **said),
            item(MESSAGE, key="k1", **sms),
            item(MESSAGE, key="k2", channelFailureReasonCode="CFR_APP_0002", **failed),
            delivered(MESSAGE, **later),
            delivered(MESSAGE, **later, supplierStatus="read"),
            delivered(OTHER, key="k4"),
        ):
            assert service.post(body(one)).status_code == 200
        while execute(ledger, "SELECT size FROM sealer") != [(6,)]:
            pass
        yield service


@pytest.fixture
def another(browser: Browser, database_url: str, tmp_path: Path) -> Iterator[Service]:
    """A service of the test's own, to be upset."""
    del browser
    with running(tmp_path, DATABASE_URL=database_url, SEAL_EVERY="0.05") as service:
        for number in range(3):
            assert service.post(body(delivered(MESSAGE, key=f"k{number}"))).status_code == 200
        yield service


@pytest.mark.parametrize(
    "javascript", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["javascript", "no javascript"]
)
def test_an_auditor_signs_in_searches_reads_and_cuts_a_timeline_with_the_keyboard_alone(
    browser: Browser, service: Service, javascript: bool
) -> None:
    visit = Visit(browser, service.port, java_script_enabled=javascript)
    page = visit.page
    visit.go("")
    visit.tab_to("key")
    page.keyboard.type(AUDITOR_API_KEY)
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit/search")
    visit.tab_to("messageId")
    page.keyboard.type(MESSAGE)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Messages found")
    visit.tab_to(MESSAGE)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/audit/messages/{MESSAGE}")
    assert page.locator("thead th").last.inner_text() == "Notes"
    assert page.locator(".ledger-timeline tbody tr").count() == 5
    assert page.get_by_text(ALTERED).count() == 0
    visit.tab_to("Cut the timeline at a time")
    page.keyboard.press("Enter")
    visit.tab_to("as_of")
    page.keyboard.type("2026-11-21")
    page.keyboard.press("Enter")
    page.wait_for_url("**as_of=2026-11-21*")
    assert page.locator(".ledger-timeline tbody tr").count() == 3
    visit.tab_to("Callback and its proof")
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit/entries/*")
    assert page.locator("dl .nhsuk-tag").first.inner_text() == "verified"
    visit.tab_to("The ledger")
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit/ledger")
    assert page.get_by_text("Held against that checkpoint").count() == 1
    visit.tab_to("Sign out")
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit/sign-in")
    visit.end()


@pytest.mark.parametrize("width", SIZES)
def test_no_page_has_a_violation_that_axe_finds_nor_is_wider_than_its_screen(
    browser: Browser, service: Service, ledger: str, width: str
) -> None:
    visit = Visit(browser, service.port, width)
    page = visit.page
    visit.go("")
    visit.look("sign in")
    page.fill("#key", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=There is a problem")
    visit.look("sign in, refused")
    visit.sign_in()
    page.wait_for_url("**/audit/search")
    visit.look("search")
    page.click("main button")
    page.wait_for_selector("text=There is a problem")
    visit.look("search, refused")
    for asked, found in ((MESSAGE, "Messages found"), ("nobody", "No message found")):
        visit.go("search")
        page.fill("#messageId", asked)
        page.click("main button")
        page.wait_for_selector(f"text={found}")
        visit.look(found)
    for path in (
        f"messages/{MESSAGE}",
        f"messages/{MESSAGE}?as_of=2026-11-21",
        f"messages/{MESSAGE}?as_of=x",
        f"entries/{leaves(ledger)[2]}",
        "overview",
        "overview?from=x",
        "overview?from=2020-01-01&to=2020-01-02",
        "ledger",
        "nowhere",
    ):
        visit.go(path)
        visit.look(path)
    visit.end()


@pytest.mark.parametrize("width", SIZES)
def test_a_tampered_ledger_is_reported_where_one_reads_it(
    browser: Browser, another: Service, database_url: str, width: str
) -> None:
    """A byte of a body, an event, a row of the read model, a whole entry; then the tail is cut off."""
    while execute(database_url, "SELECT published_size > 0 AND size = 3 FROM sealer") != [(True,)]:
        pass
    first, second, third = leaves(database_url)
    tampered(
        database_url,
        f"UPDATE entries SET body = set_byte(body, 0, 32) WHERE entry_id = '{first}'",  # noqa: S608 - our own id
        f"UPDATE events SET supplier_status = 'read' WHERE entry_id = '{second}'",  # noqa: S608
        "UPDATE message_status SET channel = 'letter'",
        f"DELETE FROM entries WHERE entry_id = '{third}'",  # noqa: S608
    )
    visit = Visit(browser, another.port, width)
    visit.sign_in(f"messages/{MESSAGE}")
    told = visit.page.get_by_role("heading", name=ALTERED).locator("xpath=ancestor::*[3]").inner_text()
    for named in (
        f"entry.changed: entry {first}",
        f"event.changed: entry {second}",
        f"entry.gone: entry {third}",
        "status.differs: message_status",
    ):
        assert named in told
    assert visit.page.locator(".ledger-timeline .nhsuk-tag", has_text="altered").count() == 3
    visit.look("tampered message")
    for entry_id in (first, third):
        visit.go(f"entries/{entry_id}")
        assert visit.page.get_by_role("heading", name="Important:").count() == 1
        visit.look(f"tampered entry {entry_id == third}")
    tampered(
        database_url,
        "DELETE FROM leaves",
        "DELETE FROM checkpoints",
        "UPDATE sealer SET size = 0, signed_size = 0, published_size = 0",
    )
    visit.go("ledger")
    assert "are anchored, the log has " in visit.page.locator("main").inner_text()
    visit.look("tampered ledger")
    visit.end()


def test_a_timeline_prints_whole_and_without_what_is_for_the_screen(
    browser: Browser, service: Service
) -> None:
    visit = Visit(browser, service.port)
    visit.sign_in(f"messages/{MESSAGE}")
    visit.page.emulate_media(media="print")
    for gone in ("nav", ".nhsuk-header__account", "form", "details"):
        assert not any(one.is_visible() for one in visit.page.locator(gone).all()), gone
    for kept in ("h1", ".ledger-timeline thead", ".ledger-timeline tbody tr >> nth=4"):
        assert visit.page.locator(kept).first.is_visible(), kept
    written_out = visit.page.locator(".ledger-timeline a").evaluate_all(
        "links => links.map(one => getComputedStyle(one, '::after').content).filter(one => one != 'none')"
    )
    assert len(written_out) == 5, "of all links, those to the entries alone"
    assert all("/audit/entries/" in one for one in written_out)
    visit.picture("printed message")
    visit.end()


def test_who_fails_again_and_again_is_locked_out_and_told_for_how_long(
    browser: Browser, another: Service
) -> None:
    visit = Visit(browser, another.port)
    visit.go("")
    for key in ["wrong"] * MOST_OF_ONE + [AUDITOR_API_KEY]:
        visit.page.fill("#key", key)
        with visit.page.expect_navigation():
            visit.page.keyboard.press("Enter")
    assert "Try again in 15 minutes" in visit.page.locator("main").inner_text()
    visit.look("locked out")
    visit.end()
