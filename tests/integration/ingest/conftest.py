"""What tests of refusals and their replay have in common."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eventstore.database import Database
from ingest import vocabulary
from tests.support.refused import operating


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The database under the role that may settle what was refused."""
    async with operating(database_url) as opened:
        yield opened


@pytest.fixture
def teleported(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Extends the list of known values, when it is called."""

    def extend() -> None:
        longer = (*vocabulary.SUPPLIER_STATUSES, "teleported")
        monkeypatch.setattr(vocabulary, "SUPPLIER_STATUSES", longer)

    return extend
