"""From where a request comes: a header counts only as far as trusted proxies wrote it."""

import pytest

from ledger.peers import forwarded_peer, trusted_network

PROXIES = [trusted_network(named) for named in ("10.0.1.0/24", "192.0.2.1", "2001:db8:1::/48")]
GATEWAY = "10.0.1.4"


@pytest.mark.parametrize(
    ("lines", "peer"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7:49152"], "203.0.113.7"),  # as Azure's Application Gateway writes it
        (["2001:db8::7"], "2001:db8::7"),
        (["[2001:DB8:0::7]"], "2001:db8::7"),
        (["[2001:db8::7]:443"], "2001:db8::7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        (["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 192.0.2.1:8080,\t[2001:db8:1::5]:80 , 10.0.1.9"], "203.0.113.7"),
        (["203.0.113.7", "10.0.1.9, ::ffff:10.0.1.8"], "203.0.113.7"),
        (["9990000018, <script>, 203.0.113.7"], "203.0.113.7"),  # no further than to the first
    ],
)
def test_by_a_trusted_proxy_it_is_the_right_most_address_that_is_none(lines: list[str], peer: str) -> None:
    assert forwarded_peer(GATEWAY, lines, PROXIES) == peer


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["203.0.113.7,"],
        ["203.0.113.7, unknown"],
        ["203.0.113.7, unknown, 10.0.1.9"],
        ["203.0.113.7, 10.0.1.9, ,10.0.1.9"],
        ["203.0.113"],
        ["203.0.113.700"],
        ["203.0.113.7:"],
        ["203.0.113.7:http"],
        ["203.0.113.7:123456"],
        ["203.0.113.7/32"],
        ["٢٠٣.0.113.7"],
        ["[203.0.113.7"],
        ["[2001:db8::7"],
        ["[2001:db8::7]443"],
        ["fe80::7%<script>"],
        ["9990000018"],
        ['for="203.0.113.7"'],
        ["10.0.1.9"],  # nobody but proxies
    ],
)
def test_where_no_address_stands_there_it_is_the_connections(lines: list[str]) -> None:
    assert forwarded_peer(GATEWAY, lines, PROXIES) == GATEWAY


@pytest.mark.parametrize("connection", ["10.0.2.4", "203.0.113.7", "::1", "2001:db8:2::1", "testclient"])
def test_by_anybody_else_it_is_the_connections(connection: str) -> None:
    assert forwarded_peer(connection, ["198.51.100.1"], PROXIES) == connection


@pytest.mark.parametrize("connection", [GATEWAY, "192.0.2.1", "2001:db8:1::5", "::ffff:10.0.1.4"])
def test_a_proxy_is_known_by_address_or_network(connection: str) -> None:
    assert forwarded_peer(connection, ["198.51.100.1"], PROXIES) == "198.51.100.1"
