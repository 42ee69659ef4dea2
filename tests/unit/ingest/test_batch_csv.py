"""A batch is read from CSV as spreadsheets save it, or the first broken rule is named, and never a value."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import batches
from ingest.batch_csv import COLUMNS, read
from ingest.batches import LONGEST, MOST_MESSAGES, Batch, InvalidBatch, Message
from tests.support.client import ANOTHER, NHS_NUMBER, REFERENCE, ROUTING_PLAN, batch, message, nhs_numbers

HEADER = ",".join(COLUMNS)
BAD_NUMBER = "must be text, 10 digits of which the last is the check digit"


def row(
    reference: str, nhs_number: str = NHS_NUMBER, batch: str = REFERENCE, plan: str = ROUTING_PLAN
) -> str:
    return f"{batch},{plan},{reference},{nhs_number}"


def file(*rows: str, header: str = HEADER, end: str = "\n") -> bytes:
    return "".join(f"{one}{end}" for one in (header, *rows)).encode()


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidBatch) as refused:
        read(body)
    assert refused.value.detail.isascii()
    assert NHS_NUMBER[:9] not in refused.value.detail
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    return refused.value.detail


TWO = Batch(REFERENCE, ROUTING_PLAN, (Message("1", NHS_NUMBER), Message("2", ANOTHER)))


def content(body: bytes) -> tuple[object, ...]:
    return read(body)[:3]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf"])
def test_a_file_says_what_a_posted_batch_says(begin: bytes, end: str) -> None:
    assert content(begin + file(row("1"), row("2", ANOTHER), end=end)) == TWO[:3]
    assert content(file(row("1"), row("2", ANOTHER), end=end).rstrip()) == TWO[:3]
    assert batches.read(batch(message("1"), message("2", ANOTHER))) == TWO


def test_columns_may_stand_in_any_order_beside_others() -> None:
    header = "name,nhsNumber,messageReference,routingPlanId,messageBatchReference"
    first = f'"Doe, J. ""’""\nLtd",{NHS_NUMBER},1,{ROUTING_PLAN},{REFERENCE}'
    second = f"\u2028,{ANOTHER},2,{ROUTING_PLAN},{REFERENCE}"
    assert content(file(first, second, header=header)) == TWO[:3]


def test_empty_rows_at_the_end_do_not_count() -> None:
    assert content(file(row("1"), row("2", ANOTHER)) + b"\r\n\r\n") == TWO[:3]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "file: must begin with a row that names the columns"),
        (b"\xff", "file: not UTF-8"),
        (file(row("1")).decode().encode("utf-16"), "file: not UTF-8"),
        (file(), f"file: must be 1 to {MOST_MESSAGES} messages"),
        (file(row("1"), header="nhsNumber"), "row 1: must name the column messageBatchReference, once"),
        (file(row("1"), header=f"{HEADER},nhsNumber"), "row 1: must name the column nhsNumber, once"),
        (file(row("1"), header=HEADER.lower()), "row 1: must name the column messageBatchReference, once"),
        (file(row("1"), "", row("2")), "row 3: must have 4 columns, as row 1 has"),
        (file(row("1"), f"{row('2')},more"), "row 3: must have 4 columns, as row 1 has"),
        (file(f'{row("1")}"'), f"row 2.nhsNumber: {BAD_NUMBER}"),
        (file(f'"{row("1")}'), "file: not CSV in line 2"),
        (file(row("1"), row("2", "9990000000")), f"row 3.nhsNumber: {BAD_NUMBER}"),
        (file(row("")), f"row 2.messageReference: must be 1 to {LONGEST} characters"),
        (file(row("x" * 256)), f"row 2.messageReference: must be 1 to {LONGEST} characters"),
        (file(row("\0")), "row 2.messageReference: must not contain NUL"),
        (file(row("1"), row("2"), row("1")), "row 4.messageReference: the same as that of row 2"),
        (file(row("1"), row("2", batch="b")), "row 3.messageBatchReference: not that of row 2"),
        (file(row("1"), row("2", plan="p")), "row 3.routingPlanId: not that of row 2"),
    ],
)
def test_the_first_broken_rule_is_named_by_its_place(body: bytes, reason: str) -> None:
    assert refusal(body) == reason


def test_a_file_holds_as_many_messages_as_notify_takes_in_a_batch() -> None:
    rows = [row(str(number)) for number in range(MOST_MESSAGES + 1)]
    assert len(read(file(*rows[:-1])).messages) == MOST_MESSAGES
    assert refusal(file(*rows)) == f"file: must be 1 to {MOST_MESSAGES} messages"


def test_the_example_of_the_documents_is_read() -> None:
    text = (Path(__file__).parents[3] / "docs" / "functions.md").read_text()
    example = text.partition("```csv\n")[2].partition("```")[0]
    assert [message.reference for message in read(example.encode()).messages] == ["da0b1495", "5f1c77b2"]


references = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@given(st.lists(references, min_size=1, max_size=9, unique=True), references, references)
def test_whatever_a_reference_holds_is_read_back(names: list[str], reference: str, plan: str) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written)
    writer.writerow(COLUMNS)
    numbers = nhs_numbers(len(names))
    writer.writerows((reference, plan, *one) for one in zip(names, numbers, strict=True))
    expected = tuple(map(Message, names, numbers))
    assert content(written.getvalue().encode()) == (reference, plan, expected)


@given(st.binary(max_size=300) | st.text(max_size=100).map(file))
def test_any_other_file_is_refused(body: bytes) -> None:
    assert refusal(body)
