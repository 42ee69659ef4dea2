"""Entra tokens as passwords: the service enters Azure's PostgreSQL as its identity, and keeps no password.

A token lasts an hour or so, a connection may last longer: the server looks at it only when a connection is
made. So each new connection brings a token that is valid then.
"""

import asyncio
from collections.abc import Awaitable, Callable

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from eventstore.errors import LedgerError
from ledger.azure_identity import credential

SERVERS = ".postgres.database.azure.com"
"""How the names of Azure's servers end; their certificates hold no others."""

SCOPE = "https://ossrdbms-aad.database.windows.net/.default"
"""What a token must be for, to be the password of a PostgreSQL server (Microsoft's documentation)."""


class TokenUnavailable(LedgerError):
    """Azure gives this process no token for the database."""


def wants_token(url: str) -> bool:
    """Whether a libpq URL names a server of Azure's, and nothing tells libpq a password for it."""
    told = conninfo_to_dict(url)
    hosts = str(told.get("host") or "").split(",")
    password = told.get("password") or told.get("passfile") or _password_of_environment()
    return not password and all(host.endswith(SERVERS) for host in hosts)


def _password_of_environment() -> bytes | None:
    return next(one.val for one in pq.Conninfo.get_defaults() if one.keyword == b"password")


def with_tokens(url: str) -> Callable[[], Awaitable[str]]:
    """Return what gives a libpq URL its password anew, a token that is valid now; raises `AzureMissing`.

    It raises `TokenUnavailable`. What gives the tokens keeps each until shortly before it expires.
    """
    tokens = credential()
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - only Azure needs it

    async def with_token() -> str:
        try:
            token = await asyncio.to_thread(tokens.get_token, SCOPE)
        except AzureError as error:
            raise TokenUnavailable(str(error).partition("\n")[0]) from error
        return make_conninfo(url, password=token.token)

    return with_token
