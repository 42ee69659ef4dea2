"""No filter reads more of a large ledger than its page needs, whatever PostgreSQL believes of its statistics.

The ledger of these tests is uneven in time as real ones are: the newest messages are all on their way, by one
channel, in one batch, so that whoever looks for anything else among the newest looks for long. Each statement
is explained as the service prepares it, with a plan for its very parameters and with the one for any, which
PostgreSQL may take from the sixth run on.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from eventstore.database import Database
from eventstore.recipients import RecipientKeys
from projections.listing import Listing
from query.cursors import Position, encode
from query.export import exported_statuses
from query.filters import Query, from_parameters
from query.lookups import MOST, statement_for
from query.page import page_of
from tests.support.client import nhs_numbers
from tests.support.database import cloned, execute
from tests.support.supplier import RECIPIENT_KEY

LIMIT = 100
MESSAGES = 40_000
SETTLED = MESSAGES * 4 // 5
"""The later ones are on their way."""
BATCH = 100
"""Messages of the batch that is asked for; of the recipient there are 7."""
SCANNED = "message_status", "channel_status", "registrations", "listed_messages"

RECIPIENTS = RecipientKeys(RECIPIENT_KEY)
PATIENT, TESTER, STRANGER = nhs_numbers(3)

_POPULATION = """
CREATE TABLE facts AS
SELECT
    n, md5(n::text) AS message_id, md5('reference ' || n) AS message_reference,
    timestamptz '2026-05-01' + make_interval(mins => n) AS recorded_at,
    CASE WHEN n % 4 < 2 OR n > {settled} THEN 'nhsapp' WHEN n % 4 = 2 THEN 'sms' ELSE 'letter' END AS channel,
    CASE WHEN n > {settled} THEN NULL WHEN n % 25 = 0 THEN 'failed' ELSE 'delivered' END AS message_status,
    CASE WHEN n > {settled} THEN 'sending' WHEN n % 25 = 0 THEN 'failed' ELSE 'delivered' END
        AS channel_status,
    CASE
        WHEN n > {settled} THEN 'notified'
        WHEN n % 5000 = 0 THEN 'virus_scan_failed'
        WHEN n % 25 = 0 THEN 'permanent_failure'
        WHEN n % 10 = 0 THEN 'received'
        ELSE 'read'
    END AS supplier_status
FROM generate_series(1, {messages}) AS n;
INSERT INTO message_status
SELECT recorded_at, recorded_at, NULL, NULL, NULL, message_id, message_reference, message_status, channel,
    channel_status, supplier_status, CASE WHEN message_status IS NULL THEN '' ELSE '1' END, '1', '1'
FROM facts ORDER BY n;
INSERT INTO channel_status
SELECT recorded_at, recorded_at, NULL, NULL, NULL, message_id, channel, channel_status, supplier_status,
    '1', '1', '1'
FROM facts ORDER BY n;
INSERT INTO registrations (entry_id, client_id, batch_reference, message_reference, routing_plan_id,
    recipient_key_id, recipient_token, salt)
SELECT gen_random_uuid(), 'national',
    'batch-' || CASE WHEN n > {settled} THEN 'large' ELSE (n / {batch})::text END, message_reference,
    'plan', {key_id},
    CASE
        WHEN n % 6000 = 1 THEN {patient}
        WHEN n % 200 = 2 THEN {tester}
        ELSE sha256((n / 7)::text::bytea)
    END,
    decode(md5(n::text), 'hex')
FROM facts;
"""


@pytest.fixture(scope="module")
def ledger(postgres: str) -> Iterator[str]:
    """A database with a read model and registrations, and statistics of them."""
    with cloned(postgres) as url:
        fill(url)
        yield url


def fill(url: str) -> None:
    (key_id,) = RECIPIENTS.ids
    with psycopg.connect(url) as connection:
        population = sql.SQL(_POPULATION).format(
            messages=MESSAGES,
            settled=SETTLED,
            batch=BATCH,
            key_id=key_id,
            patient=RECIPIENTS.token(key_id, PATIENT),
            tester=RECIPIENTS.token(key_id, TESTER),
        )
        connection.execute(population)
    execute(url, "VACUUM (ANALYZE) message_status, channel_status, registrations")  # as when they are listed
    asyncio.run(list_registered(url))
    execute(url, "VACUUM (ANALYZE) listed_messages, unlisted_registrations")


async def list_registered(url: str) -> None:
    async with Database(url, role="ledger_service", connections=1) as database:
        await Listing(database).once()


class Read(NamedTuple):
    """What PostgreSQL did to answer."""

    rows: int
    """Rows that any scan looked at, those that it dropped included."""
    sequential: set[str]
    """Tables that it read from their beginning."""
    text: str


def read(
    url: str, mode: str, asked: dict[str, str], composed: Callable[[Query], Select[Any]] = page_of
) -> Read:
    """Answer a question as the service does, and tell how."""
    query = from_parameters((asked | {"limit": str(LIMIT)}).items(), RECIPIENTS)
    compiled = composed(query).compile(
        dialect=PGDialect_psycopg(),  # type: ignore[no-untyped-call]
        compile_kwargs={"render_postcompile": True},
    )
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        names.append(match[1])
        return f"${len(names)}"

    statement = re.sub(r"%\((\w+)\)s", numbered, str(compiled)).replace("%%", "%")
    return explained(url, mode, statement, [compiled.params[name] for name in names])


def explained(url: str, mode: str, statement: str, parameters: Sequence[Any]) -> Read:
    """Run a statement as the service prepares it, and tell how."""
    with psycopg.connect(url) as connection:
        connection.execute("SET ROLE ledger_service")
        connection.execute(sql.SQL("SET plan_cache_mode = {}").format(mode))
        connection.execute(f"PREPARE asked AS {statement}".encode())
        values = sql.SQL(", ").join(map(sql.Literal, parameters))
        told = connection.execute(
            sql.SQL("EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE asked ({})").format(values)
        )
        ((plans,),) = told.fetchall()
    scans = [node for node in nodes(plans[0]["Plan"]) if node.get("Relation Name") in SCANNED]
    return Read(
        sum(looked_at(node) for node in scans),
        {node["Relation Name"] for node in scans if node["Node Type"] == "Seq Scan" and node["Actual Loops"]},
        json.dumps(plans, indent=1),
    )


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def looked_at(node: dict[str, Any]) -> int:
    dropped = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    rows: float = (node["Actual Rows"] + dropped) * node["Actual Loops"]
    return round(rows)


def cursor(**asked: str) -> dict[str, str]:
    """Return the question for a page in the middle of the ledger."""
    query = from_parameters(asked.items(), RECIPIENTS)
    return asked | {"cursor": encode(Position(datetime(2026, 5, 14, tzinfo=UTC), "8"), query.made_for)}


STATUSES = {
    "channel": ("nhsapp", "sms", "letter", "fax"),
    "messageStatus": ("delivered", "failed", "enriched"),
    "channelStatus": ("delivered", "sending", "failed", "skipped"),
    "supplierStatus": ("read", "received", "permanent_failure", "virus_scan_failed", "cancelled"),
}
QUESTIONS: list[dict[str, str]] = [
    {},
    cursor(),
    *({name: value} for name, values in STATUSES.items() for value in values),
    *(cursor(**{name: value}) for name, values in STATUSES.items() for value in values),
    *({"channel": "sms", name: STATUSES[name][-2]} for name in ("channelStatus", "supplierStatus")),
    {"messageId": "1"},
    {"messageReference": "1"},
    {"batchReference": "batch-10"},
    {"batchReference": "batch-large"},
    cursor(batchReference="batch-large"),
    {"batchReference": "none"},
    {"nhsNumber": PATIENT},
    {"nhsNumber": TESTER},
    cursor(nhsNumber=TESTER),
    {"nhsNumber": STRANGER},
    {"created_at": "2026-05-14"},
    {"created_at": "2026-05-14T12:00:00Z"},
    {"created_at": "2001-01-01"},
    {"createdAfter": "2026-05-02"},
    {"createdAfter": "2030-01-01"},
    {"createdBefore": "2026-05-20"},
    {"createdBefore": "2001-01-01"},
]


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_a_filter_reads_what_its_page_needs_and_scans_no_table(ledger: str, mode: str) -> None:
    for asked in QUESTIONS:
        done = read(ledger, mode, asked)
        assert not done.sequential, (asked, done.text)
        assert done.rows <= 4 * LIMIT, (asked, done.text)


@pytest.mark.parametrize("asked", [{"batchReference": "batch-large"}, {"nhsNumber": TESTER}])
def test_a_page_that_is_streamed_reads_no_more_than_any_page(ledger: str, asked: dict[str, str]) -> None:
    done = read(ledger, "force_custom_plan", asked, lambda query: exported_statuses(query).select)
    assert done.rows <= 4 * LIMIT, done.text


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_messages_that_are_looked_up_together_are_read_one_by_one(ledger: str, mode: str) -> None:
    everybody = execute(ledger, "SELECT message_id FROM message_status")
    ids = [message_id for (message_id,) in everybody[:: len(everybody) // MOST]]
    for asked in (ids, ids[:1], ["none"]):
        for client, reads in ((None, 1), ("national", 3), ("nobody", 3)):
            done = explained(ledger, mode, statement_for(client).text.decode(), [asked])
            assert not done.sequential, (client, done.text)
            assert done.rows <= reads * len(asked), (client, done.text)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
def test_before_it_is_listed_each_message_of_a_large_batch_is_read_once(
    postgres: str, ledger: str, mode: str
) -> None:
    with cloned(postgres, template=urlsplit(ledger).path.lstrip("/")) as url:
        execute(
            url,
            "INSERT INTO unlisted_registrations (entry_id, client_id, batch_reference)"
            " SELECT entry_id, client_id, batch_reference FROM registrations",
            "VACUUM (ANALYZE) listed_messages, unlisted_registrations",
        )
        _each_is_read_once(url, mode)


def _each_is_read_once(ledger: str, mode: str) -> None:
    for asked, registered in (
        ({"nhsNumber": TESTER}, MESSAGES // 200),
        ({"batchReference": "batch-large"}, MESSAGES - SETTLED),
    ):
        done = read(ledger, mode, asked)
        assert not done.sequential - {"registrations"}, (asked, done.text)  # most of them are of this batch
        assert done.rows <= 2 * registered + MESSAGES, (asked, done.text)


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ("DROP INDEX message_status_newest_idx", {}),
        ("DROP INDEX channel_status_newest_idx", {"channel": "sms"}),
        ("DROP INDEX message_status_by_supplier_status_idx", {"supplierStatus": "virus_scan_failed"}),
        ("DROP INDEX listed_messages_batch_idx", {"batchReference": "batch-large"}),
        ("DROP INDEX listed_messages_recipient_idx", {"nhsNumber": PATIENT}),
        # An index of the newest that has the time as it is: what a status would be looked for in.
        ("CREATE INDEX ON message_status (recorded_at)", {"supplierStatus": "virus_scan_failed"}),
    ],
)
def test_with_other_indexes_a_filter_reads_too_much(
    postgres: str, ledger: str, change: str, asked: dict[str, str]
) -> None:
    """So the tests above can fail."""
    with cloned(postgres, template=urlsplit(ledger).path.lstrip("/")) as url:
        execute(url, change)
        done = read(url, "force_generic_plan", asked)
    assert done.sequential or done.rows > 4 * LIMIT, done.text
