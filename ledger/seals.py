"""By what this ledger's checkpoints are signed and where they are anchored, from the settings."""

from hashlib import sha256

from pydantic import SecretStr

from eventstore.checkpoints import Seals
from eventstore.notes import SigningKey
from ledger.anchoring import anchors_at
from ledger.settings import SealingSettings


def seals_of(settings: SealingSettings) -> Seals | None:
    """Return the seals of the settings; None without `SEALING_KEY`."""
    if settings.sealing_key is None:
        return None
    return Seals(
        settings.ledger_name,
        signing_key(settings.sealing_key),
        tuple(signing_key(key) for key in settings.sealing_key_previous),
        anchors_at(settings.anchors),
    )


def signing_key(secret: SecretStr) -> SigningKey:
    """Return the Ed25519 key of a setting: any text, of which a hash is the private key."""
    return SigningKey(sha256(b"status-ledger sealing key\n" + secret.get_secret_value().encode()).digest())
