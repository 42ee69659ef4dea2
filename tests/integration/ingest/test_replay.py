"""A replay records what today's secrets and rules let pass, as received when it was, once."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from eventstore.acts import acts_on
from eventstore.appender import Recorded
from eventstore.database import Database
from eventstore.durable import Unrecorded
from ingest.callbacks import RULES
from ingest.refusals import kept
from ingest.replay import foresee, replaying_entry_id
from ingest.settlement import Fate, Settled, discard
from tests.support.database import execute
from tests.support.refused import MENDED, TODAY, held, refused, replayer
from tests.support.supplier import CLIENT_API_KEY, SECRETS, body, delivered, signed


def fates(told: list[Settled]) -> dict[UUID, Fate]:
    return {one.refusal_id: one.fate for one in told}


def counts(url: str) -> tuple[object, ...]:
    """Return how many entries, events, repeats and acts there are."""
    return execute(
        url,
        "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM events),"
        " (SELECT count(*) FROM repeats), (SELECT count(*) FROM acts)",
    )[0]


async def statuses(client: httpx.AsyncClient, **filters: str) -> list[dict[str, Any]]:
    answer = await client.get("/api/statuses", params=filters, headers={"x-api-key": CLIENT_API_KEY})
    records: list[dict[str, Any]] = answer.json()["data"]
    return records


# What passes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [401, 403])
async def test_a_quarantined_callback_becomes_an_entry_and_its_status_is_read(
    client: httpx.AsyncClient, database: Database, database_url: str, answer: int
) -> None:
    content = body(delivered("m"))
    quarantined = await refused(client, answer, content)
    ((received_at,),) = execute(database_url, "SELECT received_at FROM quarantine")
    assert await statuses(client) == []

    (told,) = await replayer(database).replay([quarantined])
    assert (told.refusal_id, told.fate, told.recorded) == (quarantined, Fate.RECORDED, Recorded(1, 0, 0))
    ((entry_id, *entry),) = execute(
        database_url,
        "SELECT entry_id, replays, kind, client_id, received_at, body, rejection, rules, secret_id"
        " FROM entries",
    )
    secret_id = MENDED.secrets.verify(content, (SECRETS if answer == 401 else MENDED.secrets).sign(content))
    assert entry == [quarantined, "callback", "notify", received_at, content, None, RULES, secret_id]
    assert entry_id != quarantined
    (record,) = await statuses(client, channel="sms")
    assert (record["message_id"], record["channelStatus"]) == ("m", "delivered")


async def test_a_refused_entry_is_replayed_after_the_known_values_grew_and_stays_as_it_was(
    client: httpx.AsyncClient, database: Database, database_url: str, teleported: Any
) -> None:
    entry_id = await refused(client, 422)
    before = execute(database_url, "TABLE entries")
    (told,) = await replayer(database, TODAY).replay([entry_id])
    assert told.fate is Fate.STILL_REFUSED
    assert "'teleported' is not one of" in told.reason
    assert execute(database_url, "TABLE entries") == before

    teleported()
    assert fates(await replayer(database, TODAY).replay([entry_id])) == {entry_id: Fate.RECORDED}
    assert execute(database_url, "SELECT * FROM entries WHERE replays IS NULL") == before
    assert execute(
        database_url,
        "SELECT replay.replays, replay.rejection, replay.received_at = refused.received_at,"
        " replay.signature = refused.signature, replay.body = refused.body"
        " FROM entries AS replay JOIN entries AS refused ON refused.entry_id = replay.replays",
    ) == [(entry_id, None, True, True, True)]
    (record,) = await statuses(client, channel="sms")
    assert record["supplierStatus"] == "teleported"


async def test_a_callback_without_a_timestamp_counts_from_its_original_receipt(
    client: httpx.AsyncClient, database: Database, database_url: str
) -> None:
    early = await refused(client, 403, body(delivered("m", key="early", timestamp=None)))
    late = body(delivered("m", key="late", channelStatus="failed", timestamp=None))
    assert (await client.post("/api/status/create", content=late, headers=signed(late))).status_code == 200
    await replayer(database).replay([early])

    ((received_at,),) = execute(database_url, "SELECT received_at FROM quarantine")
    assert execute(
        database_url,
        "SELECT effective_at, recorded_at > effective_at FROM events WHERE idempotency_key = 'early'",
    ) == [(received_at, True)]
    (record,) = await statuses(client, channel="sms")
    assert record["channelStatus"] == "failed", "what was received later stands"
    assert isinstance(received_at, datetime)


async def test_a_callback_that_came_again_meanwhile_is_a_repeat(
    client: httpx.AsyncClient, database: Database, database_url: str
) -> None:
    content = body(delivered())
    quarantined = await refused(client, 403, content)
    assert (
        await client.post("/api/status/create", content=content, headers=signed(content))
    ).status_code == 200
    (told,) = await replayer(database).replay([quarantined])
    assert told.recorded == Recorded(0, 1, 0)
    assert counts(database_url) == (2, 1, 1, 1)


# What does not ----------------------------------------------------------------------------------------


async def test_what_does_not_pass_today_is_told_and_nothing_is_written(
    client: httpx.AsyncClient, database: Database, database_url: str
) -> None:
    wrong = await refused(client, 403)
    good = body(delivered())
    for header in (None, "nonsense", "é"):
        changes = {"x_hmac_sha256_signature": header}
        headers = [(name.encode(), value.encode()) for name, value in signed(good, **changes).items()]
        assert (await client.post("/api/status/create", content=good, headers=headers)).status_code == 403
    quarantined = execute(database_url, "SELECT quarantine_id::text FROM quarantine")
    unsigned = {UUID(str(quarantine_id)) for (quarantine_id,) in quarantined} - {wrong}
    unreadable = await refused(client, 401, b"nonsense")
    unknown_value = await refused(client, 422)
    before = [
        execute(database_url, f"TABLE {table}") for table in ("quarantine", "quarantine_usage", "entries")
    ]

    ids = [wrong, *unsigned, unreadable, unknown_value]
    told = await replayer(database, TODAY).replay(ids)
    assert told == await foresee(database, TODAY, ids)
    assert fates(told) == {
        wrong: Fate.SIGNATURE_WRONG,
        **dict.fromkeys(unsigned, Fate.SIGNATURE_WRONG),
        unreadable: Fate.STILL_REFUSED,
        unknown_value: Fate.STILL_REFUSED,
    }
    after = [
        execute(database_url, f"TABLE {table}") for table in ("quarantine", "quarantine_usage", "entries")
    ]
    assert after == before
    assert counts(database_url) == (1, 0, 0, 0)


async def test_a_refused_entry_whose_secret_was_retired_is_not_recorded(
    client: httpx.AsyncClient, database: Database, teleported: Any
) -> None:
    entry_id = await refused(client, 422)
    teleported()
    retired = TODAY._replace(secrets=type(SECRETS)("another"))
    assert fates(await replayer(database, retired).replay([entry_id])) == {entry_id: Fate.SIGNATURE_WRONG}


async def test_an_id_of_nothing_that_was_refused_is_unknown(
    client: httpx.AsyncClient, database: Database
) -> None:
    content = body(delivered())
    accepted = await client.post("/api/status/create", content=content, headers=signed(content))
    ids = [UUID(int=1), UUID(accepted.headers["x-request-id"])]
    assert set(fates(await replayer(database).replay(ids)).values()) == {Fate.UNKNOWN}


async def test_a_dry_run_foresees_what_a_replay_then_does(
    client: httpx.AsyncClient, database: Database, database_url: str
) -> None:
    ids = [await refused(client, answer) for answer in (401, 403, 422)]
    foreseen = await foresee(database, MENDED, ids)
    assert counts(database_url) == (1, 0, 0, 0)
    assert fates(await replayer(database).replay(ids)) == fates(foreseen)


# Once -------------------------------------------------------------------------------------------------


async def test_a_second_replay_changes_nothing(
    client: httpx.AsyncClient, database: Database, database_url: str, teleported: Any
) -> None:
    ids = [await refused(client, answer) for answer in (401, 403, 422)]
    teleported()
    assert set(fates(await replayer(database).replay(ids)).values()) == {Fate.RECORDED}
    tables = ("entries", "events", "repeats", "acts", "quarantine", "quarantine_usage", "channel_status")
    before = [execute(database_url, f"TABLE {table}") for table in tables]
    for told in (await replayer(database).replay(ids), await foresee(database, MENDED, ids)):
        assert set(fates(told).values()) == {Fate.ALREADY_REPLAYED}
    assert [execute(database_url, f"TABLE {table}") for table in tables] == before


async def test_replays_at_once_record_each_refusal_once(
    client: httpx.AsyncClient, database: Database, database_url: str, teleported: Any
) -> None:
    ids = []
    for number in range(60):
        answer = (401, 403, 422)[number % 3]
        status = "teleported" if answer == 422 else "delivered"
        content = body(delivered(f"m-{number % 20}", key=f"key-{number}", supplierStatus=status))
        ids.append(await refused(client, answer, content))
    teleported()
    told = await asyncio.gather(
        *(replayer(database, actor=f"operator-{turn}").replay(ids[:: (1, -1)[turn % 2]]) for turn in range(4))
    )
    for refusal_id in ids:
        assert sorted(fates(one)[refusal_id].name for one in told) == [*["ALREADY_REPLAYED"] * 3, "RECORDED"]
    assert counts(database_url) == (20 + 60, 60, 0, 60)
    assert held(database_url) == (0, 0)


async def test_of_a_replay_and_a_discard_at_once_one_wins_whole(
    client: httpx.AsyncClient, database: Database, database_url: str
) -> None:
    ids = [await refused(client, 403, body(delivered(key=f"key-{number}"))) for number in range(20)]
    shuffled = ids[10:] + ids[:10]
    replays = [replayer(database).replay([one]) for one in ids]
    discards = [discard(database, [one], actor="another", reason="rubbish") for one in shuffled]
    told = await asyncio.gather(*replays, *discards)
    for refusal_id in ids:
        both = {one.fate for batch in told for one in batch if one.refusal_id == refusal_id}
        assert both in (
            {Fate.RECORDED, Fate.ALREADY_REPLAYED},
            {Fate.DISCARDED, Fate.ALREADY_DISCARDED},
        )
    settled = "SELECT quarantine_id, settlement = 'replayed', replays IS NOT NULL FROM quarantine"
    for _, replayed, recorded in execute(
        database_url, f"{settled} LEFT JOIN entries ON replays = quarantine_id"
    ):
        assert replayed == recorded
    assert held(database_url) == (0, 0)


# Who did it -------------------------------------------------------------------------------------------


async def test_each_replay_is_an_act_with_who_when_and_what_came_of_it(
    client: httpx.AsyncClient, database: Database, teleported: Any
) -> None:
    ids = {answer: await refused(client, answer) for answer in (403, 422)}
    teleported()
    await replayer(database, actor="alice", reason="the secret was mended").replay(list(ids.values()))
    for answer, refusal_id in ids.items():
        async with database.connection() as connection:
            (act,) = await acts_on(connection, str(refusal_id))
            entry_id = replaying_entry_id((await kept(connection, [refusal_id]))[refusal_id])
        assert (act.actor, act.database_login, act.act) == ("alice", "postgres", "quarantine.replay")
        assert (act.outcome, act.reason) == ("recorded", "the secret was mended")
        assert act.detail == {
            "answer": answer,
            "entry_id": str(entry_id),
            "events": 1,
            "repeats": 0,
            "conflicts": 0,
        }


async def test_the_service_itself_may_not_settle(client: httpx.AsyncClient, database_url: str) -> None:
    quarantined = await refused(client, 403)
    async with Database(database_url, role="ledger_service") as database:
        with pytest.raises(Unrecorded, match="permission denied for table quarantine"):
            await replayer(database).replay([quarantined])
        with pytest.raises(Unrecorded, match="permission denied for table quarantine"):
            await discard(database, [quarantined], actor="somebody", reason="rubbish")
    assert held(database_url)[0] == 1
