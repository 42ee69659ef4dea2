"""A client: the batches that it sends to Notify, and registers."""

import json
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any

from nhs_number.validate import calculate_checksum

from tests.support.supplier import CLIENT_API_KEY

BATCH = "/api/message/batch"
KEY = {"x-api-key": CLIENT_API_KEY}

ROUTING_PLAN = "b838b13c-f98c-4def-93f0-515d4e4f4ee1"
REFERENCE = "da0b1495-c7cb-468c-9d81-07dee089d728"


def nhs_numbers(many: int) -> list[str]:
    """Return distinct NHS numbers that no person has."""
    return list(islice(_nhs_numbers(), many))


def _nhs_numbers() -> Iterator[str]:
    for number in count(999_000_000):
        check = calculate_checksum(str(number))
        if check != 10:  # which no digit can say
            yield f"{number}{check}"


NHS_NUMBER, ANOTHER = nhs_numbers(2)


def message(reference: str, nhs_number: str = NHS_NUMBER, **further: Any) -> dict[str, Any]:
    """Return a message of a batch; `further` is what else it says."""
    return {"messageReference": reference, "recipient": {"nhsNumber": nhs_number}, **further}


def batch_of(
    messages: Iterable[dict[str, Any]], *, reference: str = REFERENCE, routing_plan: str = ROUTING_PLAN
) -> dict[str, Any]:
    """Return what a client sends to Notify's `/v1/message-batches`."""
    attributes = {
        "routingPlanId": routing_plan,
        "messageBatchReference": reference,
        "messages": list(messages),
    }
    return {"data": {"type": "MessageBatch", "attributes": attributes}}


def written(value: Any) -> bytes:
    """Return a body as a client writes it, which need not be compact."""
    return json.dumps(value, ensure_ascii=False).encode()


def batch(*messages: dict[str, Any], **changes: str) -> bytes:
    """Return the bytes of a batch."""
    return written(batch_of(messages, **changes))
