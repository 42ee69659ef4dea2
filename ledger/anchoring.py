"""Where this ledger's checkpoints are anchored, from the setting: a folder, or a container of Azure's."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from eventstore.anchors import Anchors, Folder
from ledger.azure_identity import AzureMissing, credential

if TYPE_CHECKING:
    from eventstore.blob_anchors import Container


def is_url(place: str) -> bool:
    """Whether a place of anchors is a container's address."""
    return place.startswith(("https://", "http://"))


def anchors_at(place: str) -> Anchors:
    """Return the anchors at a folder or a container's address; raises `AzureMissing`."""
    return _container(place) if is_url(place) else Folder(Path(place))


def copies_of(url: str) -> Iterator[tuple[str, str]]:
    """Yield every anchor of a container: name and text; raises `AzureMissing`, `AnchorsUnavailable`."""
    return _container(url).everything()


def _container(url: str) -> "Container":
    try:
        from eventstore.blob_anchors import Container  # noqa: PLC0415 - only Azure needs it
    except ModuleNotFoundError as error:
        raise AzureMissing from error
    # An address with a signature says by itself who may; otherwise the identity of whoever runs this does.
    return Container(url, None if urlsplit(url).query else credential())
