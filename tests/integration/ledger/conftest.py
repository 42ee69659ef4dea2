"""An application that is only looked at."""

import pytest

from ledger.settings import Settings
from tests.support.service import ENVIRONMENT


@pytest.fixture
def unopened() -> Settings:
    """The settings of an application that needs no database, because it is never opened."""
    keys = {name.lower(): value for name, value in ENVIRONMENT.items()}
    return Settings(_env_file=None, **keys)  # type: ignore[arg-type] # read like the environment
