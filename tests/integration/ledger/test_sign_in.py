"""Signing in to the pages: who may, for how long, and from where."""

import time

import httpx
import pytest
from asgi_lifespan import LifespanManager
from pydantic import SecretStr

from eventstore.caller import Scope
from ledger.app import create_app
from ledger.attempts import MOST_OF_ONE
from ledger.issued_keys import FRESH_FOR
from ledger.sessions import IDLE, LONGEST, RENEWED_AFTER, Sessions
from ledger.settings import Settings
from tests.support.clients import issued, revoke
from tests.support.pages import OURS, SIGN_IN, form_token, sign_in, text_of
from tests.support.supplier import AUDITOR_API_KEY, CLIENT_API_KEY, NOTIFY_API_KEY


async def code_of(client: httpx.AsyncClient, path: str = "/audit/search") -> int:
    return (await client.get(path)).status_code


async def test_whoever_is_not_signed_in_is_asked_to_and_then_led_on(client: httpx.AsyncClient) -> None:
    answer = await client.get("/audit/overview?from=2026-01-01")
    assert answer.status_code == 401
    assert 'name="next" value="/audit/overview?from=2026-01-01"' in answer.text
    answer = await sign_in(client, next="/audit/overview?from=2026-01-01")
    assert (answer.status_code, answer.headers["location"]) == (303, "/audit/overview?from=2026-01-01")
    assert await code_of(client) == 200


@pytest.mark.parametrize("path", ["/audit", "/audit/"])
async def test_whoever_comes_to_the_door_is_led_to_where_everything_begins(
    client: httpx.AsyncClient, path: str
) -> None:
    assert await code_of(client, path) == 401
    await sign_in(client)
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/audit/search")


@pytest.mark.parametrize(
    "elsewhere", ["https://example.org/", "//example.org", "/audit/\\x", "/audit/sign-out", ""]
)
async def test_nobody_is_led_elsewhere(client: httpx.AsyncClient, elsewhere: str) -> None:
    assert (await sign_in(client, next=elsewhere)).headers["location"] == "/audit/search"


@pytest.mark.parametrize("key", [CLIENT_API_KEY, NOTIFY_API_KEY, "unknown", "é", "\0"])
async def test_other_keys_open_nothing(client: httpx.AsyncClient, key: str) -> None:
    answer = await sign_in(client, key)
    assert answer.status_code == 401
    assert "There is a problem This key does not open the audit" in text_of(answer.text)
    assert "set-cookie" not in answer.headers
    assert key not in answer.text or key in ("é", "\0")


async def test_an_issued_key_opens_until_it_is_revoked(client: httpx.AsyncClient, database_url: str) -> None:
    key = await issued(database_url, "ada", Scope.AUDIT_READ)
    assert (await sign_in(client, key)).status_code == 303
    assert "Signed in as ada" in text_of((await client.get("/audit/search")).text)
    await revoke(database_url, key)
    deadline = time.monotonic() + FRESH_FOR + 5  # generous to a busy machine
    while await code_of(client) != 401:
        assert time.monotonic() < deadline


async def test_the_cookie_is_kept_from_scripts_and_other_sites_and_holds_no_key(
    client: httpx.AsyncClient,
) -> None:
    cookie = (await sign_in(client)).headers["set-cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=strict"} == set(cookie.split("; ")[1:])
    assert AUDITOR_API_KEY not in cookie


async def test_where_it_is_deployed_the_cookie_needs_https(service_settings: Settings) -> None:
    app = create_app(service_settings.model_copy(update={"environment": "dev"}))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://ledger.test") as client:
        cookie = (await sign_in(client)).headers["set-cookie"]
    assert cookie.startswith("__Host-audit=")
    assert "Secure" in cookie.split("; ")


async def test_a_form_of_one_process_is_taken_by_another_while_the_secret_is_rotated(
    service_settings: Settings,
) -> None:
    secrets = [SecretStr(f"{name} session secret that is long enough") for name in ("old", "new")]
    processes = []
    for current, previous in (secrets, secrets[::-1]):
        app = create_app(
            service_settings.model_copy(
                update={"session_secret": current, "session_secret_previous": (previous,)}
            )
        )
        processes.append(app)
    async with LifespanManager(processes[0]), LifespanManager(processes[1]):
        browsers = [
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger.test")
            for app in processes
        ]
        await sign_in(browsers[0])
        token = form_token((await browsers[0].get("/audit/search")).text)
        browsers[1].cookies = browsers[0].cookies
        answer = await browsers[1].post(
            "/audit/search", data={"form_token": token, "messageId": "m"}, headers=OURS
        )
        assert (answer.status_code, "No message found" in text_of(answer.text)) == (200, True)
        for browser in browsers:
            await browser.aclose()


async def test_a_forged_cookie_opens_nothing(client: httpx.AsyncClient) -> None:
    await sign_in(client)
    cookie = client.cookies["audit"]
    for forged in (cookie[:-2] + "AA", "", "x.y", cookie.replace(".", "..", 1)):
        client.cookies.clear()
        client.cookies.set("audit", forged)
        assert await code_of(client) == 401


async def test_a_session_ends_by_rest_and_by_age_and_is_renewed_between(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    await sign_in(client)
    sessions_of = Sessions.find

    async def later(self: Sessions, cookie: str | None) -> object:
        monkeypatch.setattr(self, "_clock", lambda: now)
        return await sessions_of(self, cookie)

    monkeypatch.setattr(Sessions, "find", later)
    began = now
    assert "set-cookie" not in (await client.get("/audit/search")).headers
    while now - began < LONGEST - IDLE:
        now += IDLE - RENEWED_AFTER
        answer = await client.get("/audit/search")
        assert answer.status_code == 200
        assert "set-cookie" in answer.headers
    now = began + LONGEST + 2
    assert await code_of(client) == 401


async def test_forms_of_another_site_and_without_the_token_do_nothing(client: httpx.AsyncClient) -> None:
    form = {"key": AUDITOR_API_KEY}
    for headers in (
        {},
        {"sec-fetch-site": "cross-site"},
        {"origin": "https://example.org"},
        {"origin": "null"},
    ):
        assert (await client.post(SIGN_IN, data=form, headers=headers)).status_code == 403
    assert (
        await client.post(SIGN_IN, data=form, headers={"origin": "http://ledger.test"})
    ).status_code == 303
    for path in ("/audit/search", "/audit/sign-out"):
        for token in ({}, {"form_token": "0" * 64}):
            answer = await client.post(path, data={"messageId": "m", **token}, headers=OURS)
            assert answer.status_code == 403, path
    assert await code_of(client) == 200


async def test_who_signs_out_is_out(client: httpx.AsyncClient) -> None:
    await sign_in(client)
    token = form_token((await client.get("/audit/search")).text)
    answer = await client.post("/audit/sign-out", data={"form_token": token}, headers=OURS)
    assert (answer.status_code, answer.headers["location"]) == (303, SIGN_IN)
    assert await code_of(client) == 401


async def test_repeated_failures_lock_out_even_the_right_key_and_say_for_how_long(
    client: httpx.AsyncClient,
) -> None:
    for _ in range(MOST_OF_ONE):
        assert (await sign_in(client, "wrong")).status_code == 401
    answer = await sign_in(client)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert "Too many attempts failed. Try again in 15 minutes" in text_of(answer.text)


async def test_without_a_secret_nobody_signs_in_and_the_page_says_why(service_settings: Settings) -> None:
    app = create_app(service_settings.model_copy(update={"session_secret": None}))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
        for answer in (await client.get(SIGN_IN), await sign_in(client), await client.get("/audit/search")):
            assert answer.status_code == 503
            assert "SESSION_SECRET is not set" in text_of(answer.text)


@pytest.mark.parametrize("origin", ["http://[", "null", "", "ledger.test", "https://ledger.test.evil"])
async def test_a_form_from_no_page_of_ours_is_403_whatever_it_says_of_its_origin(
    client: httpx.AsyncClient, origin: str
) -> None:
    headers = {"origin": origin}
    assert (await client.post(SIGN_IN, data={"key": "x"}, headers=headers)).status_code == 403
    ours = {"origin": "http://ledger.test"}
    assert (await client.post(SIGN_IN, data={"key": "x"}, headers=ours)).status_code == 401
