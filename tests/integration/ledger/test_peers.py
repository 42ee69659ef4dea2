"""The address of who asks is forwarded by a trusted proxy, and is the connection's otherwise."""

import httpx
from asgi_lifespan import LifespanManager

from ledger.app import StatusLedger, create_app
from ledger.attempts import MOST_OF_ONE
from ledger.peers import trusted_network
from ledger.settings import Settings
from tests.support.database import execute
from tests.support.pages import OURS, SIGN_IN
from tests.support.supplier import AUDITOR_API_KEY

GATEWAY, STRANGER = "10.0.1.4", "198.51.100.1"


def reached_from(app: StatusLedger, connection: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(connection, 49152))
    return httpx.AsyncClient(transport=transport, base_url="http://ledger.test")


async def test_who_looked_and_who_is_locked_out_goes_by_what_a_trusted_proxy_forwards(
    service_settings: Settings, database_url: str
) -> None:
    trusting = service_settings.model_copy(update={"trusted_proxies": (trusted_network("10.0.1.0/24"),)})
    app = create_app(trusting)
    async with (
        LifespanManager(app),
        reached_from(app, GATEWAY) as gateway,
        reached_from(app, STRANGER) as own,
    ):
        looking = {"x-api-key": AUDITOR_API_KEY, "x-forwarded-for": "203.0.113.7:5678"}
        for client in (gateway, own):
            assert (await client.get("/api/entries", headers=looking)).is_success
        looked = execute(database_url, "SELECT peer FROM access_log ORDER BY access_id")
        assert looked == [("203.0.113.7",), (STRANGER,)]

        async def answers(client: httpx.AsyncClient, *forwarded: str) -> list[int]:
            asked = [OURS | {"x-forwarded-for": address} for address in forwarded]
            return [
                (await client.post(SIGN_IN, data={"key": "wrong"}, headers=headers)).status_code
                for headers in asked
            ]

        assert await answers(gateway, *["203.0.113.7"] * (MOST_OF_ONE + 1)) == [401] * MOST_OF_ONE + [429]
        assert await answers(gateway, "203.0.113.8") == [401]
        claimed = [f"203.0.113.{last}" for last in range(10, 10 + MOST_OF_ONE + 1)]
        assert await answers(own, *claimed) == [401] * MOST_OF_ONE + [429]
