"""Anchors as blobs of an Azure container, whose immutability policy forbids to change and to delete them.

A blob's name is its log's name and its size in groups of three digits, a folder a group: the newest anchor of
a log is found in one look a group, however many there are.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import ContainerClient

from eventstore.anchors import AnchorConflict, AnchorsUnavailable, named

_GROUPS = 7
_DIGITS = 3

_PATIENCE: dict[str, Any] = {
    "retry_total": 2,
    "initial_backoff": 1,
    "increment_base": 1,
    "connection_timeout": 5,
    "read_timeout": 10,
}
"""Seconds, and how often a request is sent again: sealing tries again by itself."""

_THERE_ALREADY = (403, 409, 412)
"""How Azure may answer where a blob is there: to who may only create, under a policy, and plainly."""


class Container:
    """Anchors in a container that is there already: to create and to read blobs is all that is needed."""

    def __init__(self, url: str, credential: TokenCredential | None) -> None:
        """Take the container's address, with a shared access signature where there is no credential."""
        self._client = ContainerClient.from_container_url(url, credential=credential, **_PATIENCE)

    def __str__(self) -> str:
        """Name the container."""
        return self._client.primary_hostname + "/" + self._client.container_name

    def publish(self, log: str, size: int, note: str) -> None:
        """Write the checkpoint to a blob of its own, and never over another."""
        name = _named(log, size)
        with _reached():
            try:
                self._client.upload_blob(name, note.encode(), overwrite=False)
            except HttpResponseError as error:
                if error.status_code not in _THERE_ALREADY:
                    raise
                if self._read(name) != note:
                    raise AnchorConflict(f"{self}/{name}") from error

    def latest(self, log: str) -> str | None:
        """Return the anchor of the largest size."""
        place = f"{named(log)}/"
        with _reached():
            for _ in range(_GROUPS):
                found = [one.name for one in self._client.walk_blobs(place)]
                within = [name for name in found if re.fullmatch(r"[0-9]{3}/?", name.removeprefix(place))]
                if not within:
                    return None
                place = max(within)
            return self._read(place)

    def all(self, log: str) -> Iterator[str]:
        """Yield every anchor."""
        for _, note in self.everything(f"{named(log)}/"):
            yield note

    def everything(self, prefix: str = "") -> Iterator[tuple[str, str]]:
        """Yield the name and the text of every anchor of every log, or of those whose names begin so."""
        with _reached():
            for name in self._client.list_blob_names(name_starts_with=prefix):
                if name.rpartition("/")[2].isdecimal():
                    yield name, self._read(name)

    def _read(self, name: str) -> str:
        return self._client.download_blob(name, encoding="utf-8").readall()


def _named(log: str, size: int) -> str:
    digits = f"{size:0{_GROUPS * _DIGITS}}"
    groups = [digits[place : place + _DIGITS] for place in range(0, len(digits), _DIGITS)]
    return "/".join([named(log), *groups])


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except AzureError as error:
        raise AnchorsUnavailable(str(error).partition("\n")[0]) from error
