"""From where a request comes: the other end of its connection, or what a proxy says that a setting names.

Anybody can write a header. So `X-Forwarded-For` counts only where the connection is a trusted proxy's, and is
read from its end, where that proxy wrote, no further than to the first address that is no such proxy's.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the settings are read where there is no web framework: by the checks of infra/
    from fastapi import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_HOP = re.compile(
    r"(?P<v4>[0-9.]+)(:[0-9]{1,5})?|\[(?P<v6>[0-9a-f:.]+)\](:[0-9]{1,5})?|(?P<bare>[0-9a-f:.]+)",
    re.ASCII | re.IGNORECASE,
)
"""An address, with the port that Azure's Application Gateway adds."""


def trusted_network(text: str) -> Network:
    """Return the network of proxies that `text` names; raises `ValueError` telling what is wrong with it."""
    named = text.strip()
    try:
        network = ip_network(named)
    except ValueError as error:
        raise ValueError(f"must be addresses and networks, such as 10.0.1.0/24: {error}") from None
    if network.prefixlen == 0:
        raise ValueError(f"must name the proxies: {named} is everybody")
    return network


def forwarded_peer(connection: str, forwarded: Iterable[str], proxies: Sequence[Network]) -> str:
    """Return the address of who asks, given that of the connection and each line of `X-Forwarded-For`.

    It is the right-most address that is not a trusted proxy's, where the connection is one's. Where nothing
    says so, or something malformed stands there instead, it is the connection's.
    """
    if not _trusted(_address(connection), proxies):
        return connection
    for hop in reversed(",".join(forwarded).split(",")):
        address = _hop(hop)
        if address is None:
            break
        if not _trusted(address, proxies):
            return str(address)
    return connection


def peer_of(request: "Request") -> str | None:
    """Return the address of who asks; None where the server does not tell (Azure Functions)."""
    return request.client.host if request.client is not None else None


class ForwardedPeers:
    """Middleware: a request that came by a trusted proxy is, from here on, of the address that it names."""

    def __init__(self, app: "ASGIApp", proxies: Sequence[Network]) -> None:
        """Wrap an application, and take the proxies that are trusted."""
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Hand on a request with its address."""
        if scope["type"] == "http" and scope.get("client"):
            connection, port = scope["client"]
            lines = [
                value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"
            ]
            peer = forwarded_peer(connection, lines, self._proxies)
            scope["client"] = (peer, port if peer == connection else 0)
        await self._app(scope, receive, send)


def _trusted(address: Address | None, proxies: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in proxies)


def _hop(text: str) -> Address | None:
    """Return the address that a proxy wrote down, without its port; None where it is none."""
    match = _HOP.fullmatch(text.strip(" \t"))
    return _address(match["v4"] or match["v6"] or match["bare"]) if match is not None else None


def _address(text: str) -> Address | None:
    """Return an address, one of IPv4 that is written as IPv6 as what it is; None where it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
