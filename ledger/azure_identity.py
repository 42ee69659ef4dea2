"""Who this process is in Azure: deployed, its managed identity; elsewhere, whoever signed in with `az`."""

from typing import TYPE_CHECKING

from eventstore.errors import LedgerError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


class AzureMissing(LedgerError):
    """Azure's packages are not installed: pip install 'status-ledger[azure]'."""


def credential() -> "TokenCredential":
    """Return what gives tokens of this process's identity, and keeps them until they expire.

    Where there are several managed identities, AZURE_CLIENT_ID says which. Raises `AzureMissing`.
    """
    try:
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - only Azure needs it
    except ModuleNotFoundError as error:
        raise AzureMissing from error
    return DefaultAzureCredential()
