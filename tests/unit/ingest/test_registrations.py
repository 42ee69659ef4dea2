"""What is kept of a batch proves each message to whoever has its row, and tells nobody else anything."""

import hashlib
import json
from functools import partial
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from eventstore.recipients import RecipientKeys
from ingest.batches import Batch, Message
from ingest.registrations import Row, commitment, entry_body, rows_of
from tests.support.client import ANOTHER, NHS_NUMBER

KEYS = RecipientKeys("recipient key")
TOKEN = partial(KEYS.token, KEYS.ids[0])
REFERENCES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20
)
ROWS = st.builds(Row, REFERENCES, st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))


def batch(*references: str) -> Batch:
    return Batch("batch", "plan", tuple(Message(reference, NHS_NUMBER) for reference in references))


def some_bytes(many: int) -> bytes:
    return bytes(number % 251 for number in range(many))


def test_each_message_has_a_row_with_its_token_and_a_salt_of_its_own() -> None:
    messages = (Message("1", NHS_NUMBER), Message("2", ANOTHER), Message("3", NHS_NUMBER))
    rows = rows_of(Batch("batch", "plan", messages), TOKEN, some_bytes)
    assert [row.message_reference for row in rows] == ["1", "2", "3"]
    assert [row.recipient_token for row in rows] == [TOKEN(NHS_NUMBER), TOKEN(ANOTHER), TOKEN(NHS_NUMBER)]
    assert [row.salt for row in rows] == [some_bytes(48)[at : at + 16] for at in (0, 16, 32)]


@given(REFERENCES)
def test_a_verifier_recomputes_a_commitment_from_a_row_alone(reference: str) -> None:
    (row,) = rows_of(batch(reference), TOKEN, some_bytes)
    body = json.loads(entry_body(batch(reference), KEYS.ids[0], [row]))
    recomputed = hashlib.sha256(row.salt + reference.encode("utf-8") + row.recipient_token).hexdigest()
    assert body == {
        "messageBatchReference": "batch",
        "messages": [recomputed],
        "recipientKeyId": KEYS.ids[0],
        "routingPlanId": "plan",
    }


@given(ROWS, ROWS)
def test_two_rows_that_differ_have_commitments_that_differ(one: Row, other: Row) -> None:
    assert (commitment(one) == commitment(other)) == (one == other)


def test_what_is_hashed_can_be_taken_apart_in_one_way_only() -> None:
    """Bytes that move from one part to its neighbour make another commitment, or another length."""
    token, salt = b"t" * 32, b"s" * 16
    assert commitment(Row("ab", token, salt)) != commitment(Row("b", token, salt[:-1] + b"a"))
    assert commitment(Row("at", token, salt)) != commitment(Row("a", token, salt))


@given(REFERENCES, REFERENCES)
def test_the_body_is_canonical_and_its_messages_stand_in_the_clients_order(first: str, second: str) -> None:
    numbered = count()
    rows = [Row(f"{next(numbered)}{reference}", b"t" * 32, b"s" * 16) for reference in (first, second)]
    body = entry_body(Batch(first, second, ()), "key", rows)
    told = json.loads(body)
    assert list(told) == sorted(told)
    assert told["messages"] == [commitment(row).hex() for row in rows]
    assert body == json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def test_the_same_message_again_has_another_commitment() -> None:
    salts = iter((b"1" * 16, b"2" * 16))
    one, other = (rows_of(batch("1"), TOKEN, lambda _: next(salts))[0] for _ in range(2))
    assert commitment(one) != commitment(other)
