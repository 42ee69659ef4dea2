"""Whatever is told, registered and asked, the listing gives what looking up every message does."""

import itertools
import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projections import listing
from query.cursors import Position, encode
from query.page import page_of
from tests.integration.projections.test_listing import (
    ALL_PATIENTS,
    NUMBERS,
    PATIENTS,
    answer,
    asked,
    found,
    listed,
    register,
    tell,
    wrong,
)
from tests.support.appending import connected
from tests.support.database import cloned, count

CLIENTS = "clinic", "hospital"
BATCHES = "batch-1", "batch-2"
REFERENCES = tuple("abcdef")

registrations = st.fixed_dictionaries(
    {
        "references": st.sets(st.sampled_from(REFERENCES), min_size=1),
        "client": st.sampled_from(CLIENTS),
        "batch": st.sampled_from(BATCHES),
        "patient": st.integers(0, 1),
        "key": st.integers(0, 1),
    }
)
callbacks = st.fixed_dictionaries(
    {
        "messages": st.lists(st.sampled_from(["m-1", "m-2", "m-3", "m-4"]), min_size=1, unique=True),
        "reference": st.sampled_from(REFERENCES),
    }
)
steps_of_a_day = st.lists(registrations | callbacks | st.none(), max_size=14)
"""A registration, a callback, or a look at what is not listed yet."""
questions = st.fixed_dictionaries(
    {"limit": st.sampled_from(["1", "2", "100"])},
    optional={
        "nhsNumber": st.integers(0, 2),
        "channelStatus": st.sampled_from(["sending", "delivered"]),
        "channel": st.just("sms"),
        "messageReference": st.sampled_from(REFERENCES),
        "createdAfter": st.just("2020-01-01"),
    },
)
asking = st.tuples(st.sampled_from([None, "batch-1", "batch-2", "none"]), questions).filter(
    lambda one: one[0] is not None or "nhsNumber" in one[1]
)


@pytest.fixture(scope="module")
def many_days(postgres: str) -> Iterator[tuple[str, psycopg.Connection]]:
    with cloned(postgres) as url, connected(url) as connection:
        yield url, connection


@settings(max_examples=30)
@given(day=steps_of_a_day, question=asking, client=st.sampled_from([None, *CLIENTS]))
def test_pages_by_the_listing_are_those_of_looking_up_every_message(
    many_days: tuple[str, psycopg.Connection],
    day: list[dict[str, Any] | None],
    question: tuple[str | None, dict[str, Any]],
    client: str | None,
) -> None:
    url, connection = many_days
    number = next(NUMBERS)
    patients = ALL_PATIENTS[number * 3 % 3000 : number * 3 % 3000 + 3]

    def of_the_day(name: str) -> str:
        return f"{name} of day {number}"

    for told in day:
        if told is None:
            listed(url)
        elif "messages" in told:
            tell(connection, *map(of_the_day, told["messages"]), reference=of_the_day(told["reference"]))
        else:
            register(
                connection,
                *map(of_the_day, sorted(told["references"])),
                client=told["client"],
                batch=of_the_day(told["batch"]),
                patient=patients[told["patient"]],
                key=told["key"],
            )
    batch, filters = question
    if batch is not None:
        filters = filters | {"batchReference": of_the_day(batch)}
    if "messageReference" in filters:
        filters = filters | {"messageReference": of_the_day(filters["messageReference"])}
    if "nhsNumber" in filters:
        filters = filters | {"nhsNumber": patients[filters["nhsNumber"]]}

    everything = found(connection, client, **filters | {"limit": "100"})
    seen: list[str] = []
    while len(seen) < len(everything):
        query = asked(client, **filters)
        rows = answer(connection, page_of(query))[: query.filters.limit]
        assert rows
        seen += [row["message_id"] for row in rows]
        after = Position(rows[-1]["created_at"], rows[-1]["message_id"])
        filters = filters | {"cursor": encode(after, query.made_for)}
        found(connection, client, **filters)
    assert seen == everything
    assert wrong(connection) == []


@pytest.mark.slow
def test_whoever_appends_registers_and_lists_at_once_every_read_is_exact(
    owner: psycopg.Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight connections at once; a page by the listing and one by looking up agree at every moment."""
    monkeypatch.setattr(listing, "SLICE", 7)
    over = time.monotonic() + 8
    messages = [f"m-{number:03}" for number in range(120)]
    batches = [messages[start : start + 30] for start in range(0, 120, 10)]
    failed: list[BaseException] = []
    pages = itertools.count()

    def work(seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311 - no secret
        try:
            with connected(database_url) as connection:
                while time.monotonic() < over and not failed:
                    match seed % 4:
                        case 0 | 1:
                            tell(connection, *dice.sample(messages, 5))
                        case 2:
                            number = dice.randrange(12)
                            some = dice.sample(batches[number], 3) if batches[number] else []
                            register(
                                connection,
                                *some,
                                batch=f"batch-{number}",
                                client=dice.choice(CLIENTS),
                                patient=dice.choice(PATIENTS),
                            )
                            listed(database_url)
                        case _:
                            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                            found(
                                connection,
                                dice.choice([None, *CLIENTS]),
                                **dice.choice(
                                    [
                                        {"batchReference": f"batch-{dice.randrange(12)}", "limit": "10"},
                                        {"nhsNumber": dice.choice(PATIENTS), "limit": "10"},
                                    ]
                                ),
                            )
                            connection.execute("COMMIT")
                            next(pages)
        except BaseException as error:
            failed.append(error)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(60)
    assert failed == []
    assert next(pages) > 20
    listed(database_url)
    assert count(owner, "unlisted_registrations") == 0
    assert wrong(owner) == []
