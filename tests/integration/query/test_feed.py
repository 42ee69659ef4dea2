"""The feed shows every public entry once, in the order of its index; proofs and checkpoint go no further."""

import asyncio
import base64
import hmac
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from asgi_lifespan import LifespanManager

from eventstore import checkpoints, sealer
from eventstore.checkpoints import SIGN_EVERY, Seals
from eventstore.database import Database, LedgerConnection
from eventstore.notes import read_checkpoint
from eventstore.sealer_state import State, change
from eventstore.sealing import Sealing
from ledger.app import create_app
from ledger.preflight import SERVICE_ROLE
from ledger.settings import Settings
from query import feed
from tests.support.database import at, execute
from tests.support.sealing import Writers, entries, leaves, seals_in, write
from tests.support.supplier import AUDITOR_API_KEY, HMAC_SECRET, body, delivered, signed

AUDITOR = {"x-api-key": AUDITOR_API_KEY}
FEED, CHECKPOINT, PROOF = "/api/entries", "/api/ledger/checkpoint", "/api/ledger/proof/"


@pytest.fixture
async def client(service_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service that seals nothing: the test does."""
    app = create_app(service_settings.model_copy(update={"seal_every": 0}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        LifespanManager(app, startup_timeout=30, shutdown_timeout=30),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as session,
    ):
        yield session


@pytest.fixture
def seals(tmp_path: Path) -> Seals:
    return seals_in(tmp_path / "anchors")


@pytest.fixture
async def sealing(database_url: str, seals: Seals) -> AsyncIterator[Sealing]:
    async with Database(database_url, role=SERVICE_ROLE, connections=1) as database:
        yield Sealing(database, seals)


async def post(client: httpx.AsyncClient, content: bytes) -> int:
    return (await client.post("/api/status/create", content=content, headers=signed(content))).status_code


async def page(client: httpx.AsyncClient, **parameters: Any) -> dict[str, Any]:
    answer = await client.get(FEED, params=parameters, headers=AUDITOR)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_nothing_is_public_before_a_checkpoint_is_published(
    client: httpx.AsyncClient, sealing: Sealing, database_url: str
) -> None:
    assert await post(client, body(delivered())) == 200
    assert await page(client) == {"status": "success", "data": [], "cursor": None, "public": 0}
    (entry_id,) = execute(database_url, "SELECT entry_id FROM entries")[0]
    for path in (CHECKPOINT, f"{PROOF}{entry_id}"):
        answer = await client.get(path, headers=AUDITOR)
        assert (answer.status_code, answer.json()) == (404, {"status": "Not in a published checkpoint"})
    await sealing.once(now=True)
    assert (await page(client))["public"] == 1
    await post(client, body(delivered(key="key-2")))
    await sealing.once()
    assert len(leaves(database_url)) == 2
    assert len((await page(client))["data"]) == 1, "indexed, but not in a published checkpoint"


async def test_an_entry_is_shown_as_received_with_what_it_states(
    client: httpx.AsyncClient, sealing: Sealing
) -> None:
    contents = [
        body(delivered(), delivered("another", key="key-2")),
        body(delivered()),
        body(delivered(channel="pigeon")),
    ]
    assert [await post(client, content) for content in contents] == [200, 200, 422]
    await sealing.once(now=True)
    told = (await page(client))["data"]
    assert [one["index"] for one in told] == [0, 1, 2]
    assert [base64.b64decode(one["body"]) for one in told] == contents
    for one, content in zip(told, contents, strict=True):
        assert one["signature"] == hmac.new(HMAC_SECRET.encode(), content, sha256).hexdigest()
    assert [[(event["kind"], event["item"]) for event in one["events"]] for one in told] == [
        [("event", 0), ("event", 1)],
        [("repeat", 0)],
        [],
    ]
    assert told[1]["events"][0]["channelStatus"] == "delivered"
    assert "pigeon" in told[2]["rejection"]


async def test_pages_follow_one_another_and_a_reader_goes_on_where_it_stopped(
    client: httpx.AsyncClient, sealing: Sealing, database_url: str
) -> None:
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        with psycopg.connect(database_url) as connection:
            write(connection, 5)
        await sealing.once(now=True)
        while (told := await page(client, limit=2, **cursor))["data"]:
            seen += [one["entryId"] for one in told["data"]]
            assert len(told["data"]) <= 2
            cursor = {"after": told["cursor"]}
        assert told["cursor"] == cursor["after"]
    assert [UUID(one) for one in seen] == leaves(database_url)


async def test_an_entry_that_commits_late_is_neither_skipped_nor_shown_twice(
    client: httpx.AsyncClient, sealing: Sealing, database_url: str
) -> None:
    with psycopg.connect(database_url) as slow, psycopg.connect(database_url) as quick:
        late = write(slow)
        early = write(quick)
        quick.commit()
        await sealing.once(now=True)
        first = await page(client)
        slow.commit()
    await sealing.once(now=True)
    second = await page(client, after=first["cursor"])
    ids = [[UUID(one["entryId"]) for one in told["data"]] for told in (first, second)]
    assert ids == [early, late]


async def follow(client: httpx.AsyncClient, chance: random.Random, sealed: asyncio.Event) -> list[UUID]:
    """Read page after page, to the end once all is sealed; return the entries as they came."""
    seen: list[UUID] = []
    cursor: dict[str, str] = {}
    while True:
        last = sealed.is_set()
        told = await page(client, limit=chance.randint(1, 50), **cursor)
        assert [one["index"] for one in told["data"]] == [len(seen) + n for n in range(len(told["data"]))]
        seen += [UUID(one["entryId"]) for one in told["data"]]
        if told["cursor"] is not None:
            cursor = {"after": told["cursor"]}
        if last and not told["data"]:
            return seen
        await asyncio.sleep(0)


async def seal_and_crash(
    sealing: Sealing, chance: random.Random, written: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> int:
    """Seal again and again, once more after the last commit; return how often it crashed before its own."""
    crashed = 0

    async def crashes(connection: LedgerConnection, state: State, **changes: Any) -> None:
        await change(connection, state, **changes)
        if chance.random() < 0.2:
            raise ConnectionAbortedError("the sealer crashed before its commit")

    for module in (sealer, checkpoints):
        monkeypatch.setattr(module, "change", crashes)
    last = False
    while not last:
        last = written.is_set()
        try:
            await sealing.once(now=True)
        except ConnectionAbortedError:
            crashed += 1
            last = False
        await asyncio.sleep(0.01)
    return crashed


async def test_ten_writers_slow_and_aborted_and_a_sealer_that_crashes_lose_nothing_and_repeat_nothing(
    client: httpx.AsyncClient, sealing: Sealing, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who follows all the while has every committed entry once, in the order of the index.

    A transaction of another database of the cluster stays open from before the first entry to the end.
    """
    chance = random.Random(7)  # noqa: S311 - which transactions are slow, not a secret
    writers, written, sealed = Writers(chance), asyncio.Event(), asyncio.Event()

    async def write() -> None:
        await asyncio.gather(*(writers.write(database_url) for _ in range(10)))
        written.set()

    async def seal() -> int:
        crashed = await seal_and_crash(sealing, chance, written, monkeypatch)
        sealed.set()
        return crashed

    with psycopg.connect(at(database_url, "postgres")) as elsewhere:
        elsewhere.execute("SELECT pg_current_xact_id()")
        _, crashed, seen = await asyncio.gather(write(), seal(), follow(client, chance, sealed))
        elsewhere.rollback()
    assert crashed
    assert writers.slow
    assert writers.aborted
    assert len(seen) == len(set(seen))
    assert set(seen) == writers.committed == entries(database_url)
    assert seen == leaves(database_url)


async def test_a_page_ends_when_its_bodies_are_many_bytes_and_the_next_goes_on_there(
    client: httpx.AsyncClient, sealing: Sealing, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever of them was erased since: what has no bytes is not shown before what has."""
    for number in range(4):
        await post(client, body(delivered(key=f"key-{number}")))
    with psycopg.connect(database_url) as connection:
        blank = "INSERT INTO entries (entry_id, kind, client_id, received_at, rules)"
        connection.execute(f"{blank} VALUES (gen_random_uuid(), 'callback', 'notify', now(), 1)")
    await sealing.once(now=True)
    monkeypatch.setattr(feed, "MOST_BYTES", len(body(delivered(key="key-0"))) + 1)
    pages = []
    cursor: dict[str, str] = {}
    while (told := await page(client, **cursor))["data"]:
        pages.append([one["index"] for one in told["data"]])
        cursor = {"after": told["cursor"]}
    assert pages == [[0, 1], [2, 3], [4]]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("limit=0", "limit: must be a whole number from 1 to 1000"),
        ("limit=1001", "limit: must be a whole number from 1 to 1000"),
        ("limit=%2B1", "limit: must be a whole number from 1 to 1000"),
        ("after=nonsense", "after: not a cursor of this feed"),
        ("after=0123456789abcdef.01", "after: not a cursor of this feed"),
        ("after=0123456789abcdef.1", "after: of a log that was replaced; begin anew, without it"),
        ("befor=1", "'befor': unknown parameter; allowed are after, limit"),
        ("limit=1&limit=1", "limit: given more than once"),
    ],
)  # fmt: skip
async def test_what_is_asked_wrongly_is_refused(
    client: httpx.AsyncClient, sealing: Sealing, query: str, told: str
) -> None:
    await sealing.once(now=True)
    answer = await client.get(f"{FEED}?{query}", headers=AUDITOR)
    assert (answer.status_code, answer.json()) == (422, {"status": told})


async def test_a_reader_of_a_log_that_was_replaced_is_told_so(
    client: httpx.AsyncClient, sealing: Sealing, database_url: str
) -> None:
    await post(client, body(delivered()))
    await sealing.once(now=True)
    cursor = (await page(client))["cursor"]
    execute(database_url, "UPDATE sealer SET incarnation = 'fedcba9876543210'")
    answer = await client.get(FEED, params={"after": cursor}, headers=AUDITOR)
    assert answer.status_code == 422


async def test_the_checkpoint_is_the_last_that_was_published(
    client: httpx.AsyncClient, sealing: Sealing, seals: Seals, database_url: str
) -> None:
    await post(client, body(delivered()))
    await sealing.once(now=True)
    answer = await client.get(CHECKPOINT, headers=AUDITOR)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    (origin,) = execute(database_url, "SELECT incarnation FROM sealer")[0]
    keys = seals.keys(seals.origin(str(origin)))
    assert read_checkpoint(answer.text, keys).size == 1


@pytest.mark.parametrize("path", ["nonsense", "00000000-0000-7000-8000-000000000000"])
async def test_there_is_no_proof_of_what_is_no_entry(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"{PROOF}{path}", headers=AUDITOR)).status_code == 404


async def test_the_service_seals_by_itself(service_settings: Settings, database_url: str) -> None:
    assert service_settings.seal_every < SIGN_EVERY / timedelta(seconds=1)
    app = create_app(service_settings.model_copy(update={"seal_every": 0.02}))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        LifespanManager(app, startup_timeout=30, shutdown_timeout=30),
        httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as session,
    ):
        assert await post(session, body(delivered())) == 200
        while not (told := await page(session))["data"]:
            pass
    assert [UUID(one["entryId"]) for one in told["data"]] == leaves(database_url)
