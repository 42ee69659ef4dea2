"""Pages of a report: every row once and in order, of one moment, and of one client's messages."""

from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore.caller import Scope
from tests.integration.query.test_reports import DELIVERY, OVERDUE, pages, post, references, rows, told
from tests.support.clients import issued, register
from tests.support.supplier import CLIENT_API_KEY

# Pages


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 20))
async def test_the_pages_of_a_report_give_every_row_once_and_in_order(
    client: httpx.AsyncClient, database_url: str, limit: int
) -> None:
    batch = str(uuid4())
    names = [f"{batch}-{number:02}" for number in range(16)]
    register(database_url, "clinic", *(f"ref-{name}" for name in names), batch=batch)
    register(database_url, "hospital", *(f"ref-{name}" for name in names[::4]), batch=batch)
    heard = [name for number, name in enumerate(names) if number % 3]
    doubled = [told(f"{name}-2", reference=f"ref-{name}", messageStatus="sending") for name in heard[::2]]
    await post(client, *(told(name, channel="sms", channelStatus="sending") for name in heard), *doubled)
    expected = sorted(
        [(f"ref-{name}", name if name in heard else "") for name in names]
        + [(f"ref-{name}", f"{name}-2") for name in heard[::2]]
    )
    asked: dict[str, str | int] = {"batchReference": batch, "limit": limit}
    for path in (DELIVERY, OVERDUE):
        at = {"asOf": "2099-01-01"} if path == OVERDUE else {}
        found = await pages(client, path, CLIENT_API_KEY, **asked, **at)
        assert all(len(page) == limit for page in found[:-1])
        assert 0 < len(found[-1]) <= limit
        places = [(row["message_reference"], row["message_id"] or "") for page in found for row in page]
        assert places == expected, path


async def test_every_page_speaks_of_the_moment_of_the_first(client: httpx.AsyncClient) -> None:
    await post(client, *(told(name, channel="sms", channelStatus="sending") for name in ("a", "b")))
    answer = await client.get(OVERDUE, params={"limit": 1}, headers={"x-api-key": CLIENT_API_KEY})
    assert "asOf=20" in answer.json()["links"]["next"]


@pytest.mark.parametrize(
    ("path", "asked", "told_so"),
    [
        (DELIVERY, "", "batchReference: is required"),
        (DELIVERY, "?batchReference=b&batchReference=b", "'batchReference': given more than once"),
        (
            DELIVERY,
            "?batchReference=b&asOf=2026-01-01",
            "'asOf': unknown parameter; allowed are limit, cursor, batchReference",
        ),
        (DELIVERY, "?batchReference=b&limit=0", "limit: must be a whole number from 1 to 10000"),
        (
            DELIVERY,
            "?batchReference=b&cursor=x",
            "cursor: not one that this service gave for these filters",
        ),
        (OVERDUE, "?asOf=soon", "asOf: must be a date (2026-11-23) or a time (2026-11-23T09:15:02Z)"),
    ],
)
async def test_what_cannot_be_answered_is_422_and_named(
    client: httpx.AsyncClient, path: str, asked: str, told_so: str
) -> None:
    answer = await client.get(path + asked, headers={"x-api-key": CLIENT_API_KEY})
    assert (answer.status_code, answer.json()) == (422, {"status": told_so})


async def test_a_cursor_is_good_for_one_report_its_filters_and_its_client(
    client: httpx.AsyncClient, database_url: str
) -> None:
    register(database_url, "clinic", "ref-a", "ref-b")
    clinic = await issued(database_url, "clinic", Scope.STATUSES_READ)
    asked = {"batchReference": "batch", "asOf": "2099-01-01"}
    for path, other in ((DELIVERY, OVERDUE), (OVERDUE, DELIVERY)):
        for_path = asked if path == OVERDUE else {"batchReference": "batch"}
        for_other = asked if other == OVERDUE else {"batchReference": "batch"}
        headers = {"x-api-key": CLIENT_API_KEY}
        answer = await client.get(path, params=for_path | {"limit": "1"}, headers=headers)
        cursor = {"cursor": answer.json()["links"]["cursor"]}
        for elsewhere, parameters, key in (
            (other, for_other, CLIENT_API_KEY),
            (path, for_path | {"batchReference": "another"}, CLIENT_API_KEY),
            (path, for_path, clinic),
        ):
            refused = await client.get(elsewhere, params=parameters | cursor, headers={"x-api-key": key})
            assert refused.status_code == 422
        assert (await client.get(path, params=for_path | cursor, headers=headers)).status_code == 200


# Whose messages


async def test_a_client_s_reports_tell_of_what_it_alone_registered(
    client: httpx.AsyncClient, database_url: str
) -> None:
    clinic, hospital = [
        await issued(database_url, name, Scope.STATUSES_READ) for name in ("clinic", "hospital")
    ]
    register(database_url, "clinic", "ref-mine", "ref-mine-silent", "ref-both", "ref-both-silent")
    register(database_url, "hospital", "ref-theirs", "ref-theirs-silent", "ref-both", "ref-both-silent")
    heard = ("mine", "theirs", "both", "nobodys")
    await post(client, *(told(name, channel="sms", channelStatus="sending") for name in heard))
    overdue = {"asOf": "2099-01-01"}
    for path, asked in (
        (DELIVERY, {"batchReference": "batch"}),
        (OVERDUE, overdue),
        (OVERDUE, overdue | {"batchReference": "batch"}),
    ):
        assert references(await rows(client, path, clinic, **asked)) == ["ref-mine", "ref-mine-silent"]
        assert references(await rows(client, path, hospital, **asked)) == ["ref-theirs", "ref-theirs-silent"]
        everything = set(references(await rows(client, path, **asked)))
        named = {f"ref-{who}{silent}" for who in ("mine", "theirs", "both") for silent in ("", "-silent")}
        assert everything == (named if "batchReference" in asked else named | {"ref-nobodys"})
