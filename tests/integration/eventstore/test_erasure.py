"""An erasure takes one message out of the ledger, leaves the rest as it was, and is never done in silence."""

import json
from hashlib import sha256
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from eventstore import erasure
from eventstore.database import Database
from eventstore.erasure import Outcome, Request
from projections import rebuild as rebuilding
from projections.projection import CURRENT_STATUS, PROJECTIONS
from projections.verify import verify
from tests.support.clients import register
from tests.support.database import execute
from tests.support.refused import held, operating, refused, replayer
from tests.support.supplier import AUDITOR_API_KEY, CLIENT_API_KEY, body, delivered, item, signed

M = "2WL3qFTEFM0qMY8xjRbt1LIKCzM"
OTHER = "35FCkhQeHYEbnoeuzI6PUmyNtlA"
REFERENCE = "1642109b-69eb-447f-8f97-ab70a74f5db4"


def request_for(message_id: str = M, **changes: Any) -> Request:
    return Request(message_id, "alice", "asked by the patient", "UK GDPR art. 17")._replace(**changes)


async def post(client: httpx.AsyncClient, *items: dict[str, Any]) -> UUID:
    """Have a callback recorded; return its entry."""
    content = body(*items)
    answer = await client.post("/api/status/create", content=content, headers=signed(content))
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    return UUID(answer.headers["x-request-id"])


async def story(client: httpx.AsyncClient) -> list[UUID]:
    """Tell of the message in three callbacks, one a duplicate, and of another; return the three entries."""
    entries = [
        await post(client, item(M, key="m-1", kind="MessageStatus", messageStatus="sending")),
        await post(client, delivered(M, key="m-2", channelStatusDescription="the patient’s")),
        await post(client, delivered(M, key="m-2", channelStatusDescription="the patient’s")),
    ]
    await post(client, delivered(OTHER, key="o-1", reference="another"))
    return entries


def dump(url: str, *tables: str) -> str:
    """Return all that tables hold, as text."""
    rows = [execute(url, f"SELECT one::text FROM {table} AS one") for table in tables]  # noqa: S608 - our own words
    return str(rows)


HOLDING = (
    "entries",
    "events",
    "repeats",
    "registrations",
    "message_status",
    "channel_status",
    "listed_messages",
    "quarantine",
)


def findings(url: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        return list(verify(connection, PROJECTIONS))


async def seen(client: httpx.AsyncClient, message_id: str = M) -> tuple[int, int]:
    """Return how many records clients find of a message, and what an auditor's timeline is answered with."""
    records = await client.get(
        "/api/statuses", params={"messageId": message_id}, headers={"x-api-key": CLIENT_API_KEY}
    )
    timeline = await client.get(
        f"/api/messages/{message_id}/timeline", headers={"x-api-key": AUDITOR_API_KEY}
    )
    return len(records.json()["data"]), timeline.status_code


# What goes and what stays


async def test_a_message_is_erased_and_nothing_else(
    client: httpx.AsyncClient, eraser: Database, database_url: str
) -> None:
    entries = await story(client)
    register(database_url, "clinic", REFERENCE, "another")
    before = execute(database_url, "SELECT entry_id, received_at, kind, secret_id FROM entries ORDER BY 1")
    others = [
        execute(database_url, f"SELECT one::text FROM {table} AS one WHERE one::text LIKE '%{OTHER}%'")  # noqa: S608 - our own words
        for table in ("events", "message_status", "channel_status")
    ]
    assert all(others)
    (commitment,) = execute(
        database_url,
        f"SELECT salt, recipient_token FROM registrations WHERE message_reference = '{REFERENCE}'",  # noqa: S608 - our own words
    )

    told = await erasure.erase(eraser, request_for())
    assert told.outcome is Outcome.ERASED
    assert told.entries == dict.fromkeys(sorted(entries), ())
    assert (told.events, told.repeats, told.registrations, told.quarantined) == (2, 1, 1, {})

    assert await seen(client) == (0, 404)
    assert await seen(client, OTHER) == (1, 200)
    left = dump(database_url, *HOLDING)
    for gone in (M, REFERENCE, "patient", M.encode().hex()):
        assert gone not in left
    assert execute(
        database_url,
        "SELECT entry_id, body, salt, signature, rejection FROM entries WHERE body IS NULL ORDER BY entry_id",
    ) == [(one, None, None, None, None) for one in sorted(entries)]
    assert (
        execute(
            database_url,
            "SELECT entry_id, received_at, kind, secret_id FROM entries WHERE kind = 'callback' ORDER BY 1",
        )
        == before
    )
    assert [
        execute(database_url, f"SELECT one::text FROM {table} AS one WHERE one::text LIKE '%{OTHER}%'")  # noqa: S608 - our own words
        for table in ("events", "message_status", "channel_status")
    ] == others
    assert execute(database_url, "SELECT message_reference FROM registrations") == [("another",)]

    ((said,),) = execute(database_url, "SELECT body FROM entries WHERE kind = 'erasure'")
    salt, token = commitment
    assert isinstance(said, bytes)
    assert isinstance(salt, bytes)
    assert isinstance(token, bytes)
    assert json.loads(said) == {
        "entries": sorted(map(str, entries)),
        "quarantined": [],
        "registrations": [sha256(salt + REFERENCE.encode() + token).hexdigest()],
        "events": 2,
        "repeats": 1,
        "tombstone": execute(database_url, f"SELECT encode(message_tombstone('{M}'), 'hex')")[0][0],
        "by": "alice",
        "reason": "asked by the patient",
        "legalBasis": "UK GDPR art. 17",
    }
    assert execute(database_url, "SELECT subject, actor, act, outcome, reason, detail FROM acts") == [
        (
            str(told.erasure_id),
            "alice",
            "message.erase",
            "erased",
            "asked by the patient",
            {
                "legal_basis": "UK GDPR art. 17",
                "entries": 3,
                "quarantined": 0,
                "events": 2,
                "repeats": 1,
                "registrations": 1,
            },
        )
    ]


async def test_checks_and_rebuilds_agree_afterwards(
    client: httpx.AsyncClient, eraser: Database, database_url: str
) -> None:
    await story(client)
    await erasure.erase(eraser, request_for())
    assert findings(database_url) == []
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert rebuilding.rebuild(connection, CURRENT_STATUS) == 1
    assert findings(database_url) == []
    assert await seen(client) == (0, 404)


async def test_a_look_tells_what_would_go_and_writes_that_somebody_looked(
    client: httpx.AsyncClient, eraser: Database, database_url: str
) -> None:
    entries = await story(client)
    before = dump(database_url, *HOLDING)
    told = await erasure.foresee(eraser, request_for())
    assert (told.outcome, [*told.entries]) == (Outcome.NOT_ERASED, sorted(entries))
    assert dump(database_url, *HOLDING) == before
    assert execute(database_url, "SELECT actor, access, subject, detail FROM access_log") == [
        ("alice", "erase", M, {"look_only": True})
    ]
    assert execute(database_url, "SELECT count(*) FROM acts") == [(0,)]


async def test_an_unknown_message_is_said_and_an_erased_one_stays_so(
    client: httpx.AsyncClient, eraser: Database, database_url: str
) -> None:
    assert (await erasure.erase(eraser, request_for())).outcome is Outcome.UNKNOWN
    await story(client)
    outcomes = [(await erasure.erase(eraser, request_for())).outcome for _ in range(3)]
    assert outcomes == [Outcome.ERASED, Outcome.ALREADY, Outcome.ALREADY]
    assert (await erasure.foresee(eraser, request_for())).outcome is Outcome.ALREADY
    assert execute(database_url, "SELECT count(*) FROM entries WHERE kind = 'erasure'") == [(1,)]


# Entries that carry other messages


@pytest.mark.parametrize("as_repeat", [False, True])
async def test_an_entry_that_carries_another_message_too_goes_only_when_it_is_meant(
    client: httpx.AsyncClient, eraser: Database, database_url: str, as_repeat: bool
) -> None:
    if as_repeat:  # the entry holds an event of neither
        await post(client, delivered(M, key="m"))
        await post(client, delivered(OTHER, key="o"))
    both = await post(client, delivered(M, key="m"), delivered(OTHER, key="o"))
    before = dump(database_url, *HOLDING)
    for told in (await erasure.foresee(eraser, request_for()), await erasure.erase(eraser, request_for())):
        assert told.others == {both: (OTHER,)}
    assert told.outcome is Outcome.OTHERS
    assert dump(database_url, *HOLDING) == before

    told = await erasure.erase(eraser, request_for(whole_entry=True))
    assert (told.outcome, told.others) == (Outcome.ERASED, {both: (OTHER,)})
    assert execute(database_url, f"SELECT body FROM entries WHERE entry_id = '{both}'") == [(None,)]  # noqa: S608 - our own words
    assert (await seen(client), await seen(client, OTHER)) == ((0, 404), (1, 200))
    assert findings(database_url) == []

    told = await erasure.erase(eraser, request_for(OTHER))
    assert (told.outcome, told.others) == (Outcome.ERASED, {}), "nothing else is left in it"
    assert both in told.entries
    assert findings(database_url) == []


async def test_a_registration_goes_with_the_last_message_of_its_reference(
    client: httpx.AsyncClient, eraser: Database, database_url: str
) -> None:
    for message in (M, OTHER):
        await post(client, delivered(message, key=message))  # both of one reference
    register(database_url, "clinic", REFERENCE)
    told = await erasure.erase(eraser, request_for())
    assert (told.registrations, told.shared) == (0, (REFERENCE,))
    told = await erasure.erase(eraser, request_for(OTHER))
    assert (told.registrations, told.shared) == (1, ())
    assert execute(database_url, "SELECT count(*) FROM registrations") == [(0,)]


# What was refused


@pytest.mark.parametrize("answer", [401, 403, 422])
async def test_a_refused_request_of_the_message_goes_too(
    client: httpx.AsyncClient, eraser: Database, database_url: str, answer: int
) -> None:
    unknown = {"supplierStatus": "teleported"} if answer == 422 else {}
    mine = await refused(client, answer, body(delivered(M, key="mine", **unknown)))
    another = await refused(client, answer, body(delivered(OTHER, key="another", **unknown)))
    told = await erasure.erase(eraser, request_for())
    assert [*told.entries, *told.quarantined] == [mine]
    left = dump(database_url, *HOLDING)
    assert M.encode().hex() not in left
    assert OTHER.encode().hex() in left
    assert held(database_url)[0] == (0 if answer == 422 else 1)
    if answer != 422:
        assert execute(
            database_url,
            f"SELECT settlement, body FROM quarantine WHERE quarantine_id = '{mine}'",  # noqa: S608 - our own words
        ) == [("erased", b"")]
        async with operating(database_url) as database:
            assert [one.fate.value for one in await replayer(database).replay([mine])] == ["erased"]
    assert another != mine
    assert (await erasure.erase(eraser, request_for())).outcome is Outcome.ALREADY


@pytest.mark.parametrize(
    ("content", "linked"),
    [
        (b'{"data":[{"type":"ChannelStatus","attributes":{"messageId":"M"}}]}', True),
        (rb'{"data":[{"attributes":{"messageId" : "M","x":"\u0000"}}]', False),  # neither JSON nor compact
        (b'{"data":[{"attributes":{"messageId":"M"},', True),  # cut short
        (b'{"data":[{"attributes":{"messageId": "M"},"meta":\xff', True),
        (b'{"data":[{"attributes":{"messageReference":"M"}}]}', False),
        (b'{"data":"M"}', False),
        (b'{"data":[["M"], {"attributes":"M"}, 3, null]}', False),
        (b"[" * 100_000, False),
    ],
)
async def test_which_refused_bytes_are_taken_to_be_of_a_message(
    database_url: str, content: bytes, linked: bool
) -> None:
    with psycopg.connect(database_url) as connection:
        asked = connection.execute("SELECT states_message(%s::bytea, 'M')", [content])
        assert asked.fetchall() == [(linked,)]


async def test_a_refused_request_with_other_messages_goes_only_when_it_is_meant(
    client: httpx.AsyncClient, eraser: Database
) -> None:
    mixed = await refused(client, 422, body(delivered(M, supplierStatus="teleported"), delivered(OTHER)))
    quarantined = await refused(client, 403, body(delivered(M), delivered(OTHER)))
    told = await erasure.erase(eraser, request_for())
    assert (told.outcome, told.others) == (Outcome.OTHERS, {mixed: (OTHER,), quarantined: (OTHER,)})
    told = await erasure.erase(eraser, request_for(whole_entry=True))
    assert told.outcome is Outcome.ERASED


async def test_what_was_refused_and_replayed_goes_with_its_replay(
    client: httpx.AsyncClient, eraser: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_id = await refused(client, 422, body(delivered(M, supplierStatus="teleported")))
    quarantined = await refused(client, 403, body(delivered(M, key="2")))
    monkeypatch.setattr("ingest.vocabulary.SUPPLIER_STATUSES", ("delivered", "teleported"))
    async with operating(database_url) as database:
        for one in await replayer(database).replay([entry_id, quarantined]):
            assert one.fate.value == "recorded"
    told = await erasure.erase(eraser, request_for())
    assert len(told.entries) == 3
    assert entry_id in told.entries
    assert M.encode().hex() not in dump(database_url, *HOLDING)
    assert findings(database_url) == []
