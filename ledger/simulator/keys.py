"""What a supplier and a client know of a service's secrets."""

from typing import NamedTuple, Self

from ingest.signature import SigningSecrets
from ledger.settings import Settings


class Keys(NamedTuple):
    """The keys with which a simulation speaks."""

    supplier: str
    client: str
    secrets: SigningSecrets

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the keys of a service that has these settings."""
        return cls(
            settings.notify_api_key.get_secret_value(),
            settings.client_api_key.get_secret_value(),
            SigningSecrets(settings.hmac_secret.get_secret_value()),
        )
