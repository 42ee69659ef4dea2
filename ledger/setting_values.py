"""What the values of settings must be, as types that pydantic checks."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

from ledger.peers import Network, trusted_network

UNRESOLVED_REFERENCE = "@Microsoft.KeyVault("
"""How a Key Vault reference begins that Azure could not resolve."""


def refuse_unresolved(text: str) -> None:
    """Raise `ValueError` where a secret is only the reference to one."""
    if text.startswith(UNRESOLVED_REFERENCE):
        raise ValueError("is a Key Vault reference that was not resolved")


def _split(value: object) -> object:
    r"""Return the parts of a list; a comma within one of them is written `\,`."""
    if not isinstance(value, str):
        return value
    return tuple(part.replace(r"\,", ",") for part in re.split(r"(?<!\\),", value) if part)


def _strong(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text:
        raise ValueError("is empty")
    if text != text.strip():
        raise ValueError("begins or ends with white space")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not Unicode text") from None
    refuse_unresolved(text)  # one of a list is seen here alone
    return value


Secret = Annotated[SecretStr, AfterValidator(_strong)]

Secrets = Annotated[tuple[Secret, ...], NoDecode, BeforeValidator(_split)]
"""One or several secrets, comma-separated in the environment."""

SHORTEST_KEY = 32
"""Characters of a key that signs what must not be forged: histories, sessions."""


def _long(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_KEY:
        raise ValueError("is too short: make it with `openssl rand -base64 32`")
    return value


LongSecret = Annotated[Secret, AfterValidator(_long)]


def _names_a_log(value: str) -> str:
    if not re.fullmatch(r"[\w.-]+(?:/[\w.-]+)*", value, re.ASCII):
        raise ValueError("must be a host and a path, such as example.nhs.uk/status-ledger")
    return value


LogName = Annotated[str, AfterValidator(_names_a_log)]


def _keeps_anchors(value: str) -> str:
    if value.startswith("http://") and urlsplit(value).hostname not in ("127.0.0.1", "localhost"):
        raise ValueError("must be a folder, or an address with https")
    return value


AnchorsPlace = Annotated[str, AfterValidator(_keeps_anchors)]


def _is_a_url(value: str) -> str:
    address = urlsplit(value)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError("must be an http or https address, such as http://localhost:4318")
    return value


WebAddress = Annotated[str, AfterValidator(_is_a_url)]


_INSIGHTS = re.compile(
    r"(?:^|;)\s*InstrumentationKey=[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)


def _names_insights(value: SecretStr) -> SecretStr:
    if not _INSIGHTS.search(value.get_secret_value()):
        raise ValueError("has no InstrumentationKey: copy it from Application Insights")
    return value


Insights = Annotated[SecretStr, AfterValidator(_names_insights)]
"""How to reach an Application Insights."""

_Proxy = Annotated[Network, BeforeValidator(trusted_network)]

Proxies = Annotated[tuple[_Proxy, ...], NoDecode, BeforeValidator(_split)]
"""Addresses and networks of proxies, comma-separated in the environment."""
