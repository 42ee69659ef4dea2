"""Reads the batch of messages that a client writes as CSV: a row a message, as a spreadsheet saves it. Pure.

The first row names the columns. `messageBatchReference`, `routingPlanId`, `messageReference` and `nhsNumber`
must be among them, the first two the same in every row; what else there is, nobody looks at. A broken rule is
named by its row and column, never by a value: a value may be an NHS number.
"""

import csv
from io import StringIO

from ingest.batches import (
    MOST_MESSAGES,
    Batch,
    InvalidBatch,
    Message,
    digits_of,
    refuse_one_reference_twice,
    text_of,
)

COLUMNS = ("messageBatchReference", "routingPlanId", "messageReference", "nhsNumber")


def read(body: bytes) -> Batch:
    """Return the batch that a file states; raises `InvalidBatch` for the first rule that it breaks."""
    rows = _rows(body)
    if not rows:
        raise InvalidBatch("file: must begin with a row that names the columns")
    if not 1 <= len(rows) - 1 <= MOST_MESSAGES:
        raise InvalidBatch(f"file: must be 1 to {MOST_MESSAGES} messages")
    columns = {name: _place_of(name, rows[0]) for name in COLUMNS}
    width = len(rows[0])
    stated = [_stated(row, number, columns, width) for number, row in enumerate(rows[1:])]
    reference, routing_plan_id, _ = stated[0]
    for number, (another, another_plan, _) in enumerate(stated):
        if another != reference:
            raise InvalidBatch(f"{row_of(number)}.messageBatchReference: not that of {row_of(0)}")
        if another_plan != routing_plan_id:
            raise InvalidBatch(f"{row_of(number)}.routingPlanId: not that of {row_of(0)}")
    messages = tuple(message for _, _, message in stated)
    refuse_one_reference_twice(messages, row_of)
    return Batch(reference, routing_plan_id, messages, row_of)


def row_of(number: int) -> str:
    """Return the place in the file of a message, counted from 0: its row, as a spreadsheet counts."""
    return f"row {number + 2}"


def _rows(body: bytes) -> list[list[str]]:
    """Return the rows of a file, without empty ones at its end."""
    try:
        text = body.decode("utf-8-sig")  # a spreadsheet may begin with a byte order mark
    except UnicodeDecodeError:
        raise InvalidBatch("file: not UTF-8") from None
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        rows = list(reader)
    except csv.Error:
        raise InvalidBatch(f"file: not CSV in line {reader.line_num}") from None
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _place_of(name: str, header: list[str]) -> int:
    if header.count(name) != 1:
        raise InvalidBatch(f"row 1: must name the column {name}, once")
    return header.index(name)


def _stated(row: list[str], number: int, columns: dict[str, int], width: int) -> tuple[str, str, Message]:
    place = row_of(number)
    if len(row) != width:
        raise InvalidBatch(f"{place}: must have {width} columns, as row 1 has")
    told = {name: row[column] for name, column in columns.items()}
    batch, plan, reference = (text_of(told, place, name) for name in COLUMNS[:3])
    return batch, plan, Message(reference, digits_of(told["nhsNumber"], place))
