"""The pages as a browser gets them: what they say, and that they say it of nobody else's making."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from ledger.app import StatusLedger
from ledger.cli import app as command_line
from query.pages.styles import FETCHED
from tests.support.client import BATCH, KEY, NHS_NUMBER, batch, message
from tests.support.database import execute
from tests.support.pages import elements_of, search, sign_in, text_of
from tests.support.supplier import body, delivered, item, signed

HOSTILE = "<script>alert(1)</script>\u202e\"'&"


@pytest.fixture
async def browser(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """An auditor's browser, signed in."""
    assert (await sign_in(client)).status_code == 303
    return client


async def tell(client: httpx.AsyncClient, *items: dict[str, object]) -> None:
    content = body(*items)
    assert (await client.post("/api/status/create", content=content, headers=signed(content))).is_success


async def page(browser: httpx.AsyncClient, path: str, code: int = 200) -> str:
    answer = await browser.get(path)
    assert answer.status_code == code, answer.text
    return answer.text


async def entry_of(browser: httpx.AsyncClient, message_id: str) -> str:
    timeline = await page(browser, f"/audit/messages/{message_id}")
    found = re.search(r"/audit/entries/[0-9a-f-]{36}", timeline)
    assert found is not None
    return found[0]


async def test_a_message_is_found_by_each_of_its_names(browser: httpx.AsyncClient) -> None:
    await tell(
        browser, delivered("found", reference="its-reference"), delivered("other", key="k2", reference="r2")
    )
    content = batch(message("its-reference"), reference="its-batch")
    assert (await browser.post(BATCH, content=content, headers=KEY)).status_code == 201
    for field, value in (
        ("messageId", " found "),
        ("messageReference", "its-reference"),
        ("batchReference", "its-batch"),
        ("nhsNumber", f"{NHS_NUMBER[:3]} {NHS_NUMBER[3:6]} {NHS_NUMBER[6:]}"),
    ):
        answer = await search(browser, **{field: value})
        assert "/audit/messages/found" in answer.text, field
        assert "/audit/messages/other" not in answer.text, field
        assert str(answer.url).endswith("/audit/search"), "nothing of what is searched for is in the address"


async def test_what_is_not_there_is_said_to_be_unknown(browser: httpx.AsyncClient) -> None:
    assert "No message found" in text_of((await search(browser, messageId="nobody")).text)
    assert "Page not found" in text_of(await page(browser, "/audit/messages/nobody", 404))
    assert "Page not found" in text_of(await page(browser, "/audit/entries/nothing", 404))
    assert "Page not found" in text_of(await page(browser, "/audit/nowhere", 404))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "Enter at least one thing to search for"),
        ({"messageId": "  "}, "Enter at least one thing to search for"),
        ({"nhsNumber": "999"}, "Enter an NHS number of 10 digits"),
    ],
)
async def test_a_search_that_cannot_be_made_says_why(
    browser: httpx.AsyncClient, fields: dict[str, str], told: str
) -> None:
    answer = await search(browser, **fields)
    assert answer.status_code == 422
    assert f"There is a problem {told}" in text_of(answer.text)
    assert "<title>Error: Search for a message" in answer.text


async def test_more_is_shown_on_demand_and_nothing_twice(browser: httpx.AsyncClient) -> None:
    await tell(browser, *(delivered(f"m{n:03}", key=f"k{n}", reference="same") for n in range(60)))
    first = (await search(browser, messageReference="same")).text
    cursor = next(a["value"] for _, a in elements_of(first) if a.get("name") == "cursor")
    second = (await search(browser, messageReference="same", cursor=str(cursor))).text
    shown = re.findall(r"/audit/messages/(m\d+)", first + second)
    assert sorted(shown) == [f"m{n:03}" for n in range(60)]
    assert 'name="cursor"' not in second


async def test_a_timeline_draws_channels_as_lanes_and_what_each_step_changed(
    browser: httpx.AsyncClient,
) -> None:
    email = {"channel": "email", "channelStatus": "sending"}
    await tell(browser, delivered("m", timestamp="2026-11-23T11:00:00Z"))
    await tell(browser, item("m", key="k2", timestamp="2026-11-23T10:00:00Z", **email))
    await tell(browser, delivered("m", timestamp="2026-11-23T11:00:00Z"))
    said = text_of(await page(browser, "/audit/messages/m"))
    assert "Effective (UTC) message email sms Notes" in said
    for told in ("sending stands", "delivered stands", "told again", "late came after a later event"):
        assert told in said, told
    assert "latest channel: email → sms" in said


async def test_a_conflict_is_marked(browser: httpx.AsyncClient) -> None:
    await tell(browser, delivered("m"))
    await tell(browser, delivered("m", supplierStatus="read"))
    assert text_of(await page(browser, "/audit/messages/m")).count("conflict another event of its key") == 2


async def test_a_timeline_is_cut_at_a_time(browser: httpx.AsyncClient) -> None:
    await tell(
        browser,
        item("m", key="1", channel="sms", channelStatus="sending", timestamp="2026-11-20T10:00:00Z"),
        delivered("m", key="2", timestamp="2026-11-22T10:00:00Z"),
    )
    then = text_of(await page(browser, "/audit/messages/m?as_of=2026-11-21&known_at="))
    assert "This is what was true at 2026-11-21 00:00:00.000" in then
    assert "as the ledger knows today. Show everything" in then
    assert "Status then" in then
    assert "delivered" not in then.partition("Timeline")[2]
    before = text_of(await page(browser, "/audit/messages/m?known_at=2020-01-01"))
    assert "The ledger knew nothing of this message." in before


async def test_a_time_that_is_none_is_told_beside_its_field(browser: httpx.AsyncClient) -> None:
    await tell(browser, delivered("m"))
    answer = await page(browser, "/audit/messages/m?as_of=yesterday", 422)
    assert "There is a problem This must be a date" in text_of(answer)
    assert 'href="#as_of"' in answer
    assert 'value="yesterday"' in answer


async def test_an_entry_is_shown_with_its_verification(browser: httpx.AsyncClient, database_url: str) -> None:
    await tell(browser, delivered("m"))
    path = await entry_of(browser, "m")
    said = text_of(await page(browser, path))
    assert "Signature verified" in said
    assert '"messageId":"m"' in said
    with_damage = "UPDATE entries SET body = body || ' '::bytea"
    execute(
        database_url,
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        with_damage,
        "ALTER TABLE entries ENABLE TRIGGER ALL",
    )
    assert "Signature wrong" in text_of(await page(browser, path))


async def test_the_overview_counts_by_channel_and_status(browser: httpx.AsyncClient) -> None:
    await tell(
        browser,
        delivered("a", key="1"),
        delivered("b", key="2"),
        item("c", key="3", channel="sms", channelStatus="failed"),
    )
    overview = await page(browser, "/audit/overview")
    assert "What became of them Channel Delivered Under way Failed Skipped sms 2 0 1 0" in text_of(overview)
    assert "<svg" in overview
    today = datetime.now(UTC).date()
    past = text_of(await page(browser, f"/audit/overview?from=2020-01-01&to={today.year - 1}-01-01"))
    assert "No message was heard of" in past
    assert "must be a date" in text_of(await page(browser, "/audit/overview?to=tomorrow", 422))
    assert "must not be after" in text_of(
        await page(browser, "/audit/overview?from=2026-02-02&to=2026-01-01", 422)
    )
    assert (await browser.get("/audit/overview?from=0001-01-01&to=9999-12-31")).status_code == 200


async def test_the_ledgers_health_is_told(browser: httpx.AsyncClient) -> None:
    assert "Last entry recorded none yet" in text_of(await page(browser, "/audit/ledger"))
    await tell(browser, delivered("m"))
    content = body(delivered("n"))
    await browser.post(
        "/api/status/create", content=content, headers=signed(content, x_hmac_sha256_signature="0" * 64)
    )
    assert "Entries 1 " in text_of(await page(browser, "/audit/ledger"))
    assert "In quarantine 1 request," in text_of(await page(browser, "/audit/ledger"))


async def test_the_ledgers_seals_are_told(browser: httpx.AsyncClient, app: StatusLedger) -> None:
    del app
    before = text_of(await page(browser, "/audit/ledger"))
    assert "Last checkpoint kept outside the database none yet" in before
    await tell(browser, delivered("m"))
    done = await asyncio.to_thread(CliRunner().invoke, command_line, ["seal"])
    assert done.exit_code == 0
    after = text_of(await page(browser, "/audit/ledger"))
    assert "Sealed 1 entries, last 2" in after
    assert "Waiting for a seal 0 " in after
    assert "Last checkpoint kept outside the database 1 entries, signed 2" in after


async def test_who_looks_at_a_page_is_logged_before_it_is_shown(
    browser: httpx.AsyncClient, database_url: str
) -> None:
    await tell(browser, delivered("m"))
    await page(browser, "/audit/messages/m?known_at=2026-11-23")
    await search(browser, nhsNumber=NHS_NUMBER)
    lines = execute(
        database_url, "SELECT actor, access, subject, detail FROM access_log ORDER BY accessed_at"
    )
    assert (
        "auditor",
        "GET /audit/messages/{message_id}",
        "m",
        {"known_at": "2026-11-23"},
    ) in lines
    assert ("auditor", "POST /audit/search", None, {}) in lines
    assert NHS_NUMBER not in str(lines)
    execute(database_url, "ALTER TABLE access_log ADD CONSTRAINT full_up CHECK (false) NOT VALID")
    answer = await browser.get("/audit/messages/m")
    assert (answer.status_code, "delivered" in answer.text) == (500, False)


async def test_hostile_text_is_only_text_everywhere(browser: httpx.AsyncClient) -> None:
    hostile = delivered(f"{HOSTILE}/x", reference=HOSTILE, channelFailureReasonCode=HOSTILE)
    await tell(browser, hostile)
    found = await search(browser, messageReference=HOSTILE)
    link = next(
        str(a["href"]) for _, a in elements_of(found.text) if "/audit/messages/" in str(a.get("href"))
    )
    timeline = await page(browser, link)
    entry = await page(browser, await entry_of(browser, link.removeprefix("/audit/messages/")))
    nothing = await search(browser, batchReference=HOSTILE)
    wrong = await search(browser, messageReference=HOSTILE, nhsNumber=HOSTILE)
    cut = await browser.get(link, params={"as_of": HOSTILE})
    for text in (found.text, timeline, entry, nothing.text, wrong.text, cut.text):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text
    for text in (found.text, timeline, entry, nothing.text):
        assert "\u202e" not in text, "what turns text round is written as its escape"


async def test_no_page_asks_another_host_for_anything_nor_breaks_its_policy(
    browser: httpx.AsyncClient,
) -> None:
    await tell(browser, delivered("m"))
    paths = [
        "/audit/search",
        "/audit/messages/m",
        await entry_of(browser, "m"),
        "/audit/overview",
        "/audit/ledger",
    ]
    nonces = set()
    for path in (*paths, "/audit/sign-in", "/audit/nowhere"):
        answer = await browser.get(path)
        policy = answer.headers["content-security-policy"]
        nonce = policy.partition("'nonce-")[2].partition("'")[0]
        nonces.add(nonce)
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        for tag, attributes in elements_of(answer.text):
            assert "style" not in attributes, (path, tag)
            assert tag != "style", path
            assert not any(name.startswith("on") for name in attributes), (path, tag)
            assert tag != "script" or attributes.get("nonce") == nonce, path
            for name in ("href", "src", "action"):
                assert str(attributes.get(name, "/")).startswith(("/", "#")), (path, attributes)
    assert len(nonces) == len(paths) + 2, "a nonce serves once"


@pytest.mark.skipif(not FETCHED.exists(), reason="the styles were not fetched: `make styles`")
async def test_styles_are_ours_alone_and_kept_for_ever(client: httpx.AsyncClient) -> None:
    sheets = re.findall(
        r'(?:href|import.*?from )="?([^" ]+\.(?:css|js|svg))', await page(client, "/audit/sign-in")
    )
    sheets += re.findall(r'from "([^"]+\.js)"', await page(client, "/audit/sign-in"))
    assert len(sheets) == 4
    for path in sheets:
        answer = await client.get(path)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert "@font-face" not in answer.text
        assert "sourceMappingURL" not in answer.text
        for address in re.findall(r"url\(([^)]*)\)", answer.text):
            assert address.startswith("/audit/assets/"), address
            assert (await client.get(address)).status_code == 200, address
    assert (await client.get("/audit/assets/ledger.css")).status_code == 404


async def test_without_the_styles_the_pages_are_plain_and_say_so(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from query.pages.page import Pages  # noqa: PLC0415
    from query.pages.styles import read_styles  # noqa: PLC0415

    text = bytes(Pages(read_styles(tmp_path)).page("sign_in", next="/audit/search").body).decode()
    assert "The styles of these pages were not fetched" in text_of(text)
    assert "stylesheet" not in text


async def test_what_cannot_be_read_is_a_page_too_and_never_an_empty_one(
    browser: httpx.AsyncClient, database_url: str
) -> None:
    await tell(browser, delivered("m"))
    execute(database_url, "ALTER TABLE message_status RENAME TO elsewhere")
    for path in ("/audit/overview",):
        said = text_of(await page(browser, path, 500))
        assert "Sorry, there is a problem with the service" in said
    assert (await search(browser, messageId="m")).status_code == 500
