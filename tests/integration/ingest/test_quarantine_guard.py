"""The quarantine's guard is the database's own: bytes go only once, and only where they are settled."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.support.database import cloned

SETTLE = "UPDATE quarantine SET settled_at = now(), "
BLANKED = "freed_bytes = octet_length(body), signature = NULL, body = ''"


@pytest.fixture(scope="module")
def quarantined(postgres: str) -> Iterator[str]:
    """The URL of a database with one request in quarantine."""
    with cloned(postgres) as url:
        with psycopg.connect(url) as connection:
            connection.execute(
                "INSERT INTO quarantine (received_at, quarantine_id, answer, signature, body)"
                " VALUES (now(), gen_random_uuid(), 403, 'signature', 'the body')"
            )
        yield url


@pytest.fixture
def owner(quarantined: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(quarantined) as connection:
        yield connection
        connection.rollback()


@pytest.mark.parametrize("replicating", ["origin", "replica"])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DELETE FROM quarantine", "forgets nothing, DELETE is refused"),
        ("TRUNCATE quarantine", "forgets nothing, TRUNCATE is refused"),
        ("UPDATE quarantine SET body = 'x'", "changes once, when it is settled"),
        ("UPDATE quarantine SET secret_id = 'x'", "changes once, when it is settled"),
        (f"{SETTLE} settlement = 'discarded', answer = 401, {BLANKED}", "changes once"),
        (f"{SETTLE} settlement = 'discarded', {BLANKED.replace('octet_length(body)', '1')}", "changes once"),
        (f"{SETTLE} settlement = 'discarded', freed_bytes = octet_length(body)", "quarantine_settled_whole"),
        (f"{SETTLE} settlement = 'forgotten', {BLANKED}", "quarantine_settlement_known"),
        (f"{SETTLE} settlement = 'replayed', {BLANKED}", "no entry replays the request"),
    ],
)
def test_even_the_owner_can_only_settle(
    owner: psycopg.Connection, replicating: str, change: str, told: str
) -> None:
    owner.execute(f"SET session_replication_role = {replicating}")
    with pytest.raises(psycopg.IntegrityError, match=told):
        owner.execute(change)


def test_even_the_owner_can_settle_only_once(owner: psycopg.Connection) -> None:
    settle = f"{SETTLE} settlement = 'discarded', {BLANKED}"
    owner.execute(settle)
    with pytest.raises(psycopg.IntegrityError, match="changes once"):
        owner.execute(settle)


def test_the_operator_can_settle_and_change_nothing_else(owner: psycopg.Connection) -> None:
    owner.execute("SET ROLE ledger_operator")
    owner.execute(f"{SETTLE} settlement = 'discarded', {BLANKED}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute("UPDATE quarantine SET received_at = now()")
