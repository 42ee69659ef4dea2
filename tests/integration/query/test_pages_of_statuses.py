"""Times and pages: newest first, and a record that did not change is neither skipped nor shown twice."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.query.test_statuses import (
    GET,
    KEY,
    NOON,
    SEARCH,
    Record,
    ids,
    post,
    read,
    record_at,
    sms,
    told,
)

# Times


async def test_created_at_finds_a_record_at_every_precision(
    client: httpx.AsyncClient, database_url: str
) -> None:
    await post(client, sms("m"))
    record_at(database_url, {"m": datetime(2026, 11, 23, 23, 59, 59, 999_999, tzinfo=UTC)})
    for within in (
        "2026-11-23",
        "2026-11-23T23:59:59Z",
        "2026-11-23T23:59:59",
        "2026-11-23T23:59:59.999Z",
        "2026-11-23T23:59:59.999999Z",
        "2026-11-24T00:59:59.999999+01:00",
        "2026-11-23T22:59:59-01:00",
    ):
        assert ids(await read(client, created_at=within)) == ["m"], within
        assert ids(await read(client, created_at=within, channel="sms")) == ["m"], within
    for outside in (
        "2026-11-22",
        "2026-11-24",
        "2026-11-24T00:00:00Z",
        "2026-11-23T23:59:58Z",
        "2026-11-23T23:59:59.998Z",
        "2026-11-23T23:59:59.999998Z",
        "2026-11-23T23:59:59+01:00",
    ):
        assert await read(client, created_at=outside) == [], outside


async def test_created_after_and_before_leave_out_their_own_moment(
    client: httpx.AsyncClient, database_url: str
) -> None:
    moments = {name: NOON + timedelta(microseconds=place) for place, name in enumerate("abc")}
    await post(client, *map(sms, moments))
    record_at(database_url, moments)
    middle = "2026-11-23T12:00:00.000001Z"
    assert ids(await read(client, createdAfter=middle)) == ["c"]
    assert ids(await read(client, createdBefore=middle)) == ["a"]
    assert await read(client, createdAfter=middle, createdBefore=middle) == []
    assert ids(await read(client, createdAfter="2026-11-23", createdBefore="2026-11-24")) == ["c", "b", "a"]
    assert ids(await read(client, createdAfter="0001-01-01", createdBefore="9999-12-31")) == ["c", "b", "a"]
    assert ids(await read(client, created_at="2026-11-23", createdBefore=middle, channel="sms")) == ["a"]


async def test_what_a_record_says_of_its_creation_finds_it(client: httpx.AsyncClient) -> None:
    await post(client, sms("m"))
    (record,) = await read(client)
    assert await read(client, created_at=record["created_at"]) == [record]


# Order and pages


async def test_records_stand_newest_first_and_ties_by_message_id_in_byte_order(
    client: httpx.AsyncClient, database_url: str
) -> None:
    await post(client, *map(sms, ("b", "B", "é", "a", "old", "new")))
    record_at(
        database_url,
        {"old": NOON - timedelta(microseconds=1), "new": NOON + timedelta(days=1)}
        | dict.fromkeys(("b", "B", "é", "a"), NOON),
    )
    assert ids(await read(client)) == ["new", "B", "a", "b", "é", "old"]
    assert ids(await read(client, channel="sms")) == ["new", "B", "a", "b", "é", "old"]


async def pages(
    client: httpx.AsyncClient, *, searching: bool = False, **filters: str | int
) -> list[list[Record]]:
    """Return every page, followed by `links` as they are."""
    if searching:
        answer = await client.post(SEARCH, json=filters, headers=KEY)
    else:
        answer = await client.get(GET, params=filters, headers=KEY)
    found = [answer.json()["data"]]
    while "links" in answer.json():
        links = answer.json()["links"]
        if searching:
            answer = await client.post(links["next"], json=filters | {"cursor": links["cursor"]}, headers=KEY)
        else:
            assert answer.headers["link"] == f'<{links["next"]}>; rel="next"'
            answer = await client.get(links["next"], headers=KEY)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["data"])
    assert "link" not in answer.headers
    return found


SHARED = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
async def eight(client: httpx.AsyncClient) -> list[str]:
    """Eight messages, each on two channels."""
    names = [f"message-{number}" for number in range(8)]
    for name in names:
        await post(client, sms(name, "sending"), told(name, channel="email", channelStatus="delivered"))
    return names


@SHARED
@given(seconds=st.lists(st.integers(0, 2), min_size=8, max_size=8), searching=st.booleans())
async def test_for_every_limit_the_pages_are_everything_once_and_in_order(
    client: httpx.AsyncClient, eight: list[str], database_url: str, seconds: list[int], searching: bool
) -> None:
    record_at(
        database_url,
        {name: NOON + timedelta(seconds=after) for name, after in zip(eight, seconds, strict=True)},
    )
    asked: dict[str, str] = (
        {"channel": "email", "createdAfter": "2026-11-23T12:00:00+01:00"} if searching else {}
    )
    everything = await read(client, **asked)
    assert len(everything) == 8
    for limit in range(1, 10):
        found = await pages(client, searching=searching, limit=limit, **asked)
        assert [record for page in found for record in page] == everything
        assert {len(page) for page in found[:-1]} <= {limit}
        assert len(found) == -(-8 // limit)


@st.composite
def readings(draw: st.DrawFn) -> tuple[list[int], int, list[list[tuple[int, bool]]]]:
    """Some messages in the order of their recording, a limit, and between pages some news of some of them.

    News is either the latest of its message, or of an earlier time than what is known.
    """
    messages = draw(st.permutations(range(draw(st.integers(1, 7)))))
    news = st.tuples(st.sampled_from(messages), st.booleans())
    gaps = draw(st.lists(st.lists(news, max_size=3), min_size=6, max_size=6))
    return messages, draw(st.integers(1, 3)), gaps


@SHARED
@given(reading=readings(), on=st.sampled_from([{}, {"channel": "sms"}]))
async def test_a_record_that_did_not_change_between_pages_is_neither_skipped_nor_repeated(
    client: httpx.AsyncClient,
    reading: tuple[list[int], int, list[list[tuple[int, bool]]]],
    on: dict[str, str],
) -> None:
    messages, limit, gaps = reading
    reference = str(uuid4())
    names = [f"{reference}-{number}" for number in range(len(messages))]
    for message in messages:
        await post(client, sms(names[message], "sending", reference=reference))
    answer = await client.get(GET, params={"messageReference": reference, "limit": limit, **on}, headers=KEY)
    seen, changed = ids(answer.json()["data"]), set()
    for gap in gaps:
        if "links" not in answer.json():
            break
        for message, is_latest in gap:
            hour = 12 if is_latest else 6
            news = sms(names[message], reference=reference, timestamp=f"2026-11-23T{hour:02}:00:00Z")
            await post(client, news)
            if is_latest:
                changed.add(names[message])
        await post(client, sms(f"new-{uuid4()}", reference=reference))
        answer = await client.get(answer.json()["links"]["next"], headers=KEY)
        seen += ids(answer.json()["data"])
    assert "links" not in answer.json()
    assert sorted(name for name in seen if name not in changed) == sorted(set(names) - changed)


async def test_a_page_that_holds_everything_left_has_no_next_one(client: httpx.AsyncClient) -> None:
    await post(client, sms("a"), sms("b"))
    for limit, found in ((1, [1, 1]), (2, [2]), (3, [2])):
        assert [len(page) for page in await pages(client, limit=limit)] == found
        assert [len(page) for page in await pages(client, limit=limit, searching=True)] == found


async def test_the_next_page_keeps_every_filter_however_it_was_written(client: httpx.AsyncClient) -> None:
    reference = 'a&b=c+d e%20/é😀"<>;#'
    await post(client, *(sms(name, reference=reference, supplierStatus="accepted") for name in "abc"))
    found = await pages(
        client,
        limit=1,
        messageReference=reference,
        supplierStatus="accepted",
        created_at=datetime.now(UTC).date().isoformat(),
        createdAfter="2000-01-01T00:00:00+01:00",
    )
    assert [ids(page) for page in found] == [["a"], ["b"], ["c"]]


async def test_a_cursor_is_refused_with_other_filters_than_its_own(client: httpx.AsyncClient) -> None:
    await post(client, sms("a"), sms("b"))
    answer = await client.get(GET, params={"limit": 1, "channel": "sms"}, headers=KEY)
    cursor = answer.json()["links"]["cursor"]
    for filters, code in (({"channel": "sms"}, 200), ({}, 422), ({"channel": "email"}, 422)):
        answer = await client.get(GET, params={**filters, "cursor": cursor}, headers=KEY)
        assert answer.status_code == code
