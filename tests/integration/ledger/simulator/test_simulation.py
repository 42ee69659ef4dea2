"""A simulation against the service, in process: all agrees, and what is tampered with is named."""

from collections.abc import Callable

import httpx
import pytest
from rich.console import Console

from ledger.settings import Settings
from ledger.simulator import reading
from ledger.simulator.comparison import Difference
from ledger.simulator.keys import Keys
from ledger.simulator.patience import Patience
from ledger.simulator.plan import Plan, plan
from ledger.simulator.reading import VIEWS, Reader, ReadingRefused
from ledger.simulator.sender import KeysRefused, Pace
from ledger.simulator.simulation import NotReady, Report, simulate
from ledger.simulator.summary import summary
from tests.support.database import execute
from tests.support.supplier import CLIENT_API_KEY, body, delivered, signed

PLAN = plan(12, seed=3, duplicates=0.3, shuffle=1)

COUNTS = (
    "SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM events), (SELECT count(*) FROM repeats)"
)


@pytest.fixture
def keys(service_settings: Settings) -> Keys:
    return Keys.of(service_settings)


def unseen(_: str, __: int) -> Callable[[int], None]:
    """Progress that nobody watches."""
    return lambda _: None


async def run(client: httpx.AsyncClient, keys: Keys, planned: Plan = PLAN) -> Report:
    return await simulate(client, keys, planned, Pace(8), unseen)


def shown(report: Report) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(summary(report))
    return captured.get()


async def test_the_service_says_what_follows_from_what_it_was_told_twice_and_out_of_order(
    client: httpx.AsyncClient, keys: Keys, database_url: str
) -> None:
    report = await run(client, keys)
    assert report.differences == ()
    assert report.agrees
    assert report.sending.answers == {"200": len(PLAN.deliveries)}
    told, distinct = len(PLAN.deliveries), len(PLAN.callbacks)
    assert execute(database_url, COUNTS) == [(told, distinct, told - distinct)]

    again = await run(client, keys, plan(12, seed=3, shuffle=0.5))
    assert again.agrees
    assert execute(database_url, COUNTS) == [(told + distinct, distinct, told)]


async def test_messages_of_others_and_of_other_seeds_do_no_harm(
    client: httpx.AsyncClient, keys: Keys
) -> None:
    for content in (body(delivered()), body(delivered("another", channel="letter"))):
        await client.post("/api/status/create", content=content, headers=signed(content))
    assert (await run(client, keys, plan(3, seed=4))).agrees
    assert (await run(client, keys)).agrees


async def test_a_planted_difference_is_named_with_what_was_told_and_what_the_service_says(
    client: httpx.AsyncClient, keys: Keys, database_url: str
) -> None:
    await run(client, keys)
    ((message_id,),) = execute(
        database_url,
        "UPDATE channel_status SET supplier_status = 'notified' WHERE channel = 'nhsapp' AND message_id ="
        " (SELECT min(message_id) FROM channel_status WHERE supplier_status = 'read') RETURNING message_id",
    )
    execute(
        database_url,
        "UPDATE message_status SET supplier_status = 'notified'"  # noqa: S608 - an id that we made
        f" WHERE channel = 'nhsapp' AND message_id = '{message_id}'",
    )
    report = await run(client, keys)
    assert not report.agrees
    assert set(report.differences) == {
        Difference(str(message_id), channel, "supplierStatus", "read", "notified")
        for channel in (None, "nhsapp")
    }
    (line,) = [line for line in shown(report).splitlines() if "nhsapp" in line]
    for part in (str(message_id), "supplierStatus", "read", "notified"):
        assert part in line


@pytest.mark.parametrize("questions_a_page", [1, 10_000], ids=["by pages", "one by one"])
async def test_a_record_that_is_gone_or_was_never_told_of_is_named_however_it_is_read(
    client: httpx.AsyncClient,
    keys: Keys,
    database_url: str,
    questions_a_page: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "QUESTIONS_A_PAGE", questions_a_page)
    monkeypatch.setattr(reading, "PAGE", 5)
    assert (await run(client, keys)).agrees
    ((gone,),) = execute(
        database_url,
        "DELETE FROM channel_status WHERE channel = 'letter' AND message_id ="
        " (SELECT min(message_id) FROM channel_status WHERE channel = 'letter') RETURNING message_id",
    )
    ((unasked,),) = execute(
        database_url,
        "INSERT INTO channel_status (message_id, channel, recorded_at, occurred_at, channel_status_version,"
        " supplier_status_version, latest_version)"
        " SELECT message_id, 'email', recorded_at, occurred_at, '', '', '' FROM message_status"
        " WHERE message_id NOT IN (SELECT message_id FROM channel_status WHERE channel = 'email')"
        " LIMIT 1 RETURNING message_id",
    )
    report = await run(client, keys)
    assert Difference(str(gone), "letter", "record", "there", "none") in report.differences
    assert Difference(str(unasked), "email", "record", "none", "there") in report.differences
    others = [one for one in report.differences if one.field != "record"]
    assert {(one.message_id, one.channel) for one in others} <= {(gone, None)}


async def test_every_view_is_settled_once(client: httpx.AsyncClient, keys: Keys) -> None:
    await run(client, keys)
    settled: list[int] = []
    message_ids = {callback.message_id for callback in PLAN.callbacks} | {"unknown"}
    await Reader(client, CLIENT_API_KEY, Patience(), 4).records(message_ids, settled.append)
    assert sum(settled) == len(message_ids) * len(VIEWS)


async def test_wrong_keys_are_told_in_one_line(
    client: httpx.AsyncClient, keys: Keys, database_url: str
) -> None:
    with pytest.raises(ReadingRefused, match=r"401 .+Invalid API key"):
        await run(client, keys._replace(client="another"))
    assert execute(database_url, "SELECT count(*) FROM quarantine") == [(0,)]
    with pytest.raises(KeysRefused, match=r"401 .+Invalid API key"):
        await run(client, keys._replace(supplier="another"))


async def test_a_service_that_is_not_ready_is_told_nothing(
    client: httpx.AsyncClient, keys: Keys, database_url: str
) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(NotReady, match="answers 503"):
        await run(client, keys)
    assert execute(database_url, COUNTS) == [(0, 0, 0)]

    async with httpx.AsyncClient(base_url="http://127.0.0.1:1") as nobody:
        with pytest.raises(NotReady, match="gives no answer"):
            await run(nobody, keys)
