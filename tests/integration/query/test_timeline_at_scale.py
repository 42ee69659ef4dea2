"""A timeline among many messages reads its own rows by index; one of very many events comes page by page."""

from collections.abc import Iterator

import psycopg
import pytest

from eventstore.statements import statement
from query.cuts import Question
from query.history import asking, parameters_of, place_of
from tests.support.database import cloned
from tests.support.history import history

MESSAGES = 5_000

FILL = (
    """
    INSERT INTO entries (
        recorded_at, received_at, entry_id, rules, kind, client_id, secret_id, rejection, body
    )
    SELECT
        moment, moment, md5(message || ' ' || number)::uuid, 1, 'callback', 'notify', 'secret',
        CASE WHEN message %% 1000 = 0 AND number = 4 THEN 'refused' END, '{}'
    FROM generate_series(1, %(messages)s) AS message, generate_series(1, 4) AS number,
        LATERAL (SELECT timestamptz '2026-11-23Z' + message * interval '1 second') AS times (moment)
    """,
    """
    INSERT INTO events (
        recorded_at, effective_at, content_hash, entry_id, item, event_type, message_id, message_reference,
        channel, channel_status, idempotency_key, digest
    )
    SELECT
        timestamptz '2026-11-23Z' + message * interval '1 second',
        timestamptz '2026-11-23Z' + number * interval '1 second',
        number, md5(message || ' ' || number)::uuid, 0, 'ChannelStatus', 'message-' || message,
        'reference-' || message, 'sms', 'sending', message || ' ' || number,
        sha256(convert_to(message || ' ' || number, 'UTF8'))
    FROM generate_series(1, %(messages)s) AS message, generate_series(1, 3) AS number
    """,
    """
    INSERT INTO repeats (entry_id, item, idempotency_key, digest)
    SELECT
        md5(message || ' 4')::uuid, 0, message || ' 1', sha256(convert_to(message || ' 1', 'UTF8'))
    FROM generate_series(1, %(messages)s) AS message
    """,
    """
    INSERT INTO registrations (
        entry_id, client_id, batch_reference, message_reference, routing_plan_id, recipient_key_id,
        recipient_token, salt
    )
    SELECT
        md5(message || ' 4')::uuid, 'client', 'batch', 'reference-' || message, 'plan', 'key',
        sha256('token'), substr(sha256('salt'), 1, 16)
    FROM generate_series(1, %(messages)s) AS message
    """,
    "ANALYZE entries, events, repeats, registrations",
)

PATHOLOGICAL = """
    WITH told AS (
        INSERT INTO events (
            recorded_at, effective_at, content_hash, entry_id, item, event_type, message_id,
            message_reference, channel, channel_status, supplier_status, idempotency_key, digest
        )
        SELECT
            timestamptz '2026-11-23Z' + number * interval '1 ms',
            timestamptz '2026-11-23Z' + (number * 7919 %% %(events)s) * interval '1 s',
            number %% 3, md5('pathological ' || number)::uuid, 0, 'ChannelStatus', 'pathological',
            'reference', (ARRAY['sms', 'email'])[1 + number %% 2],
            (ARRAY['created', 'sending', 'delivered'])[1 + number %% 3],
            'sent', (number / 10)::text, sha256(convert_to('pathological ' || number, 'UTF8'))
        FROM generate_series(1, %(events)s) AS number
        RETURNING entry_id, recorded_at
    )
    INSERT INTO entries (recorded_at, received_at, entry_id, rules, kind, client_id, secret_id, body)
    SELECT recorded_at, recorded_at, entry_id, 1, 'callback', 'notify', 'secret', '{}' FROM told
"""


@pytest.fixture(scope="module")
def filled(postgres: str) -> Iterator[psycopg.Connection]:
    """A connection to a ledger of many messages, as the service works."""
    with cloned(postgres) as url, psycopg.connect(url, autocommit=True) as connection:
        for statement in FILL:
            connection.execute(statement.encode(), {"messages": MESSAGES} if "%(" in statement else None)
        yield connection


@pytest.mark.parametrize("name", ["message_at", "channels_at", "timeline"])
def test_a_message_among_many_is_read_by_indexes_alone(filled: psycopg.Connection, name: str) -> None:
    parameters = parameters_of(Question("message-17"))
    plan = "\n".join(
        row[0] for row in filled.execute(f"EXPLAIN (COSTS OFF) {asking(name)}".encode(), parameters)
    )
    assert "Seq Scan" not in plan, plan
    assert "events_pkey" in plan


@pytest.mark.parametrize("file", ["query/stated", "query/feed_events", "ledger/inspected"])
def test_what_an_entry_repeats_is_read_by_indexes_alone(filled: psycopg.Connection, file: str) -> None:
    """No index has the text of an idempotency key: a join by it would read every event."""
    ((entry,),) = filled.execute("SELECT md5('17 4')::uuid").fetchall()
    plan = filled.execute(
        f"EXPLAIN (COSTS OFF) {statement(*file.split('/'))}".encode(),
        {"entry_id": entry, "entry_ids": [entry], "most_bytes": 1_000},
    ).fetchall()
    of_events = [line for (line,) in plan if " on events" in line]
    assert any("events_key_hash_idx" in line for line in of_events), plan
    assert not any("Seq Scan" in line for line in of_events), plan


def test_the_eraser_joins_by_what_has_an_index(filled: psycopg.Connection) -> None:
    ((definition,),) = filled.execute("SELECT pg_get_functiondef('erase_message'::regproc)").fetchall()
    assert definition.count("USING (key_hash, digest)") == 3
    assert "repeats.key_hash = events.key_hash" in definition
    assert "idempotency_key" not in definition


def test_a_message_among_many_has_its_own_lines_alone(filled: psycopg.Connection) -> None:
    found = history(filled, Question("message-17"))
    assert [step.told.kind for step in found.steps] == [
        "event",
        "repeat",
        "event",
        "event",
        "registration",
    ]


def read_page_by_page(connection: psycopg.Connection, events: int, size: int) -> None:
    """Read a message of so many events in pages, and hold them against the set of its events."""
    connection.execute(PATHOLOGICAL.encode(), {"events": events})
    connection.execute("ANALYZE events, entries")
    seen: list[str] = []
    values: dict[str, str] = {}
    held: set[str] = set()
    question = Question("pathological", limit=size)
    while True:
        page = history(connection, question)
        assert len(page.steps) <= size
        for step in page.steps:
            seen.append(step.told.place)
            held |= {*step.holds}
            for name, change in step.changed.items():
                assert change.before == values.get(name)
                values[name] = change.after
        if not page.more:
            break
        question = question._replace(after=place_of(page.steps[-1]))
    assert len(seen) == events
    assert seen == sorted(set(seen))
    assert held == values.keys()
    statuses = {one["channel"]: one["channel_status"] for one in page.channels}
    assert statuses == {
        name.split(".")[0]: values[name] for name in values if name.endswith(".channelStatus")
    }


def test_a_message_of_thousands_of_events_is_read_page_by_page(filled: psycopg.Connection) -> None:
    with filled.transaction(force_rollback=True):
        read_page_by_page(filled, events=3_000, size=700)


@pytest.mark.slow
def test_a_message_of_100_000_events_is_read_page_by_page(filled: psycopg.Connection) -> None:
    with filled.transaction(force_rollback=True):
        read_page_by_page(filled, events=100_000, size=30_000)
