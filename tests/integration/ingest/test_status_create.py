"""`POST /api/status/create`, every row of the contract's answers, and what each leaves behind.

Each test runs both ways: as the service's own HTTP protocol hands callbacks over, and by ASGI.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ledger.app import StatusLedger
from tests.support.database import execute
from tests.support.plain import PlainTransport
from tests.support.supplier import NOTIFY_API_KEY, SECRETS, body, delivered, item, signed

PATH = "/api/status/create"


@pytest.fixture(params=["taken", "by ASGI"])
async def client(app: StatusLedger, request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, in process."""
    plain = PlainTransport(app)
    transport = plain if request.param == "taken" else httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as session:
        yield session


async def post(client: httpx.AsyncClient, content: bytes, **headers: str | None) -> httpx.Response:
    return await client.post(PATH, content=content, headers=signed(content, **headers))


def count(url: str, table: str) -> Any:
    return execute(url, f"SELECT count(*) FROM {table}")[0][0]  # noqa: S608 - the test's own words


async def test_a_signed_callback_is_recorded_verbatim(client: httpx.AsyncClient, database_url: str) -> None:
    content = b' {"data" : [' + json.dumps(delivered()).encode() + b"] }\n"
    answer = await post(client, content)
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    ((kept, signature),) = execute(database_url, "SELECT body, encode(signature, 'hex') FROM entries")
    assert kept == content
    assert signature == SECRETS.sign(content)
    assert count(database_url, "events") == 1


async def test_the_answer_carries_the_id_of_its_entry(client: httpx.AsyncClient, database_url: str) -> None:
    answer = await post(client, body(delivered()))
    ((entry_id,),) = execute(database_url, "SELECT entry_id::text FROM entries")
    assert answer.headers["x-request-id"] == entry_id
    assert answer.headers["cache-control"] == "no-store"


async def test_a_callback_is_taken_without_a_task_of_its_own(app: StatusLedger) -> None:
    plain = PlainTransport(app)
    async with httpx.AsyncClient(transport=plain, base_url="http://ledger.test") as client:
        for content in (body(delivered()), b"nonsense", body(delivered())):
            await post(client, content)
        assert plain.taken == 3
        assert (await post(client, body(delivered()), x_api_key="wrong")).status_code == 401
        assert (await post(client, body(delivered()), traceparent=f"00-{'1' * 32}-{'2' * 16}-01")).is_success
        assert plain.taken == 3, "what is quarantined or traced has a task"
    assert app.callbacks.answered == dict.fromkeys(app.callbacks.answered, 0) | {200: 3, 401: 1, 422: 1}


async def test_the_same_callback_again_is_200_and_a_repeat(
    client: httpx.AsyncClient, database_url: str
) -> None:
    for _ in range(3):
        assert (await post(client, body(delivered()))).status_code == 200
    assert [count(database_url, table) for table in ("entries", "events", "repeats")] == [3, 1, 2]


async def test_one_key_with_a_newer_timestamp_is_another_event_and_no_conflict(
    client: httpx.AsyncClient, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await post(client, body(delivered(timestamp="2026-11-23T09:00:00Z")))
    await post(client, body(delivered(timestamp="2026-11-23T10:00:00Z")))
    assert count(database_url, "events") == 2
    assert "callback.conflicted" not in capsys.readouterr().err


@pytest.mark.parametrize("together", [True, False], ids=["in one callback", "one after the other"])
async def test_one_key_with_other_content_is_recorded_and_flagged_as_a_conflict(
    client: httpx.AsyncClient, database_url: str, capsys: pytest.CaptureFixture[str], together: bool
) -> None:
    first, second = delivered(), delivered(channelStatus="failed")
    for content in [body(first, second)] if together else [body(first), body(second)]:
        assert (await post(client, content)).status_code == 200
    assert count(database_url, "events") == 2
    assert "callback.conflicted" in capsys.readouterr().err


async def test_items_are_recorded_all_or_none(client: httpx.AsyncClient, database_url: str) -> None:
    good, bad = delivered(key="good"), delivered(key="bad", channel="pigeon")
    assert (await post(client, body(good, bad))).status_code == 422
    assert count(database_url, "events") == 0
    assert (await post(client, body(good, delivered(key="too")))).status_code == 200
    assert count(database_url, "events") == 2


async def test_a_body_larger_than_a_batch_is_recorded_whole(
    client: httpx.AsyncClient, database_url: str
) -> None:
    items = [delivered(f"message-{number}", key=f"key-{number}") for number in range(1000)]
    assert (await post(client, body(*items))).status_code == 200
    assert count(database_url, "events") == 1000
    assert count(database_url, "message_status") == 1000


async def test_a_content_encoding_is_415_before_anything_else(client: httpx.AsyncClient) -> None:
    answer = await post(client, body(delivered()), content_encoding="gzip", x_api_key=None)
    assert (answer.status_code, answer.json()) == (415, {"status": "Unsupported content encoding"})


@pytest.mark.parametrize("key", [None, "", "wrong", NOTIFY_API_KEY + " ", NOTIFY_API_KEY.upper()])
async def test_an_unknown_key_with_a_right_signature_is_401_and_quarantined(
    client: httpx.AsyncClient, database_url: str, key: str | None
) -> None:
    answer = await post(client, body(delivered()), x_api_key=key)
    assert (answer.status_code, answer.json()) == (401, {"status": "Invalid API key"})
    assert execute(database_url, "SELECT answer, body, secret_id IS NOT NULL FROM quarantine") == [
        (401, body(delivered()), True)
    ]
    assert count(database_url, "entries") == 0


async def test_an_unknown_key_without_a_right_signature_is_401_and_forgotten(
    client: httpx.AsyncClient, database_url: str
) -> None:
    for signature in (None, "0" * 64, "nonsense"):
        answer = await post(client, body(delivered()), x_api_key="wrong", x_hmac_sha256_signature=signature)
        assert answer.status_code == 401
    assert count(database_url, "quarantine") == 0


async def test_a_repeated_key_is_401_although_both_are_right(client: httpx.AsyncClient) -> None:
    content = body(delivered())
    headers = [*signed(content).items(), ("x-api-key", NOTIFY_API_KEY)]
    assert (await client.post(PATH, content=content, headers=headers)).status_code == 401


async def test_a_repeated_signature_is_403_although_both_are_right(client: httpx.AsyncClient) -> None:
    content = body(delivered())
    headers = [*signed(content).items(), ("x-hmac-sha256-signature", SECRETS.sign(content))]
    assert (await client.post(PATH, content=content, headers=headers)).status_code == 403


@pytest.mark.parametrize(
    "signature",
    [None, "", "0" * 64, "0" * 63, "0x" + "0" * 62, " " + "a" * 64, "sha256=" + "a" * 64, "é" * 64, "’" * 64],
)
async def test_a_signature_that_is_not_right_is_403_and_quarantined(
    client: httpx.AsyncClient, database_url: str, signature: str | None
) -> None:
    content = body(delivered())
    headers = [(name.encode(), value.encode()) for name, value in signed(content).items()][:1]
    if signature is not None:
        headers.append((b"x-hmac-sha256-signature", signature.encode()))
    answer = await client.post(PATH, content=content, headers=headers)
    assert (answer.status_code, answer.json()) == (403, {"status": "Invalid signature"})
    assert execute(database_url, "SELECT answer, body FROM quarantine") == [(403, content)]
    assert count(database_url, "entries") == 0


async def test_a_signature_over_reserialised_json_is_403(client: httpx.AsyncClient) -> None:
    sent = body(delivered(channelStatusDescription="the patient’s phone"))
    reserialised = json.dumps(json.loads(sent)).encode()
    assert reserialised != sent
    answer = await post(client, sent, x_hmac_sha256_signature=SECRETS.sign(reserialised))
    assert answer.status_code == 403


async def test_a_signature_over_the_bytes_of_unescaped_text_is_200(client: httpx.AsyncClient) -> None:
    sent = body(delivered(channelStatusDescription="the patient’s phone"))
    assert "’".encode() in sent
    assert (await post(client, sent)).status_code == 200


async def test_a_signature_in_upper_case_is_200(client: httpx.AsyncClient) -> None:
    content = body(delivered())
    assert (
        await post(client, content, x_hmac_sha256_signature=SECRETS.sign(content).upper())
    ).status_code == 200


@pytest.mark.parametrize("content_type", [None, "application/vnd.api+json", "text/plain", "nonsense; ;"])
async def test_no_content_type_is_a_reason_to_refuse(
    client: httpx.AsyncClient, content_type: str | None
) -> None:
    assert (await post(client, body(delivered()), content_type=content_type)).status_code == 200


async def test_a_body_that_announces_too_much_is_413(client: httpx.AsyncClient, database_url: str) -> None:
    answer = await post(client, b"x" * (1024 * 1024 + 1))
    assert (answer.status_code, answer.json()) == (413, {"status": "Request body too large"})
    assert (await post(client, b"x" * (1024 * 1024 + 1), x_api_key="wrong")).status_code == 401
    assert count(database_url, "quarantine") == 0


async def test_a_body_that_turns_out_too_large_is_413_before_it_is_all_read(
    client: httpx.AsyncClient,
) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b"x" * 65536

    answer = await client.post(PATH, content=endless(), headers=signed(b"x"))
    assert answer.status_code == 413
    assert sent < 1000


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"nonsense", "body: not strict JSON"),
        (b'{"data":[],"data":[]}', "body: not strict JSON"),
        (b"[]", "body: must be an object"),
        (b'{"data":[]}', "data: at least one item is required"),
        (body(item(key="")), "data[0].meta.idempotencyKey: must be 1 to 255 characters"),
        (body(item()), "data[0].attributes: one of messageStatus, channelStatus, supplierStatus is required"),
        (
            body(item(kind="MessageStatus", messageStatus="deliverd")),
            "data[0].attributes.messageStatus: 'deliverd' is not one of created, pending_enrichment,",
        ),
        (body(delivered(channelFailureReasonCode="a\0b")), "data[0].attributes.channelFailureReasonCode:"),
    ],
)
async def test_an_unprocessable_callback_is_422_and_kept_with_the_reason(
    client: httpx.AsyncClient, database_url: str, content: bytes, status: str
) -> None:
    answer = await post(client, content)
    assert answer.status_code == 422
    assert answer.json()["status"].startswith(status)
    ((kept, rejection),) = execute(database_url, "SELECT body, rejection FROM entries")
    assert (kept, rejection) == (content, answer.json()["status"])
    assert count(database_url, "events") == 0


async def test_an_unprocessable_callback_is_kept_each_time(
    client: httpx.AsyncClient, database_url: str
) -> None:
    for _ in range(2):
        assert (await post(client, b"nonsense")).status_code == 422
    assert count(database_url, "entries") == 2


async def test_other_methods_are_405(client: httpx.AsyncClient) -> None:
    answer = await client.get(PATH)
    assert (answer.status_code, answer.json()) == (405, {"status": "Method Not Allowed"})
    assert answer.headers["allow"] == "POST"


async def test_an_unknown_path_is_404(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/status")
    assert (answer.status_code, answer.json()) == (404, {"status": "Not Found"})
