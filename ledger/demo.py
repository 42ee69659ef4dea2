"""`make demo`: a fresh service takes the callbacks of three messages, out of order, one of them twice.

It lives in a temporary folder with random secrets, and leaves nothing behind.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from rich.console import Console
from rich.table import Table

from ingest.signature import SigningSecrets
from ledger.embedded import EmbeddedPostgres
from ledger.settings import Settings


class Told(NamedTuple):
    """One thing that the supplier tells, at a minute past nine."""

    message: str
    key: str
    minute: int
    channel: str | None = None
    channel_status: str | None = None
    supplier_status: str | None = None
    message_status: str | None = None


STORY = (
    Told("DEMO-app-read", "a3", 9, "nhsapp", "delivered", "read"),
    Told("DEMO-app-read", "a1", 1, "nhsapp", "created"),
    Told("DEMO-app-read", "a2", 4, "nhsapp", "sending", "delivered"),
    Told("DEMO-app-read", "a4", 9, message_status="delivered"),
    Told("DEMO-fell-back", "b1", 2, "nhsapp", "failed", "unnotified"),
    Told("DEMO-fell-back", "b3", 30, "sms", "delivered", "delivered"),
    Told("DEMO-fell-back", "b2", 20, "sms", "sending", "sending"),
    Told("DEMO-fell-back", "b3", 30, "sms", "delivered", "delivered"),
    Told("DEMO-failed", "c1", 50, "letter", "failed", "returned"),
    Told("DEMO-failed", "c2", 51, message_status="failed"),
)
"""What the supplier tells, in the order in which it happens to arrive."""


def callback(told: Told) -> bytes:
    """Return the exact bytes of one callback, compact and unescaped as Notify writes them."""
    stated = {
        "channel": told.channel,
        "channelStatus": told.channel_status,
        "supplierStatus": told.supplier_status,
        "messageStatus": told.message_status,
    }
    attributes: dict[str, Any] = {
        "messageId": told.message,
        "messageReference": f"reference-of-{told.message}",
        "timestamp": f"2026-11-23T09:{told.minute:02d}:00.000Z",
    }
    attributes |= {name: value for name, value in stated.items() if value is not None}
    kind = "MessageStatus" if told.message_status else "ChannelStatus"
    content = {"data": [{"type": kind, "attributes": attributes, "meta": {"idempotencyKey": told.key}}]}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


@contextmanager
def fresh_service(folder: Path, environment: dict[str, str]) -> Iterator[httpx.Client]:
    """Run a new service in `folder` and lend a client that speaks to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ledger = [sys.executable, "-m", "ledger"]
    subprocess.run([*ledger, "migrate"], cwd=folder, env=environment, check=True)  # noqa: S603 - our own
    serve = [*ledger, "serve", "--port", str(port)]
    with (
        subprocess.Popen(serve, cwd=folder, env=environment) as process,  # noqa: S603 - our own
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        try:
            for _ in range(300):
                if process.poll() is not None:
                    break
                try:
                    client.get("/api/healthcheck/ready").raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            yield client
        finally:
            process.terminate()


@contextmanager
def _removed_afterwards(postgres: EmbeddedPostgres) -> Iterator[None]:
    try:
        yield
    finally:
        postgres.remove()


def show_statuses(console: Console, client: httpx.Client, key: str) -> None:
    """Print what a client reads."""
    answer = client.get("/api/statuses", headers={"x-api-key": key}).raise_for_status().json()
    table = Table(title="GET /api/statuses", title_justify="left")
    shown = (
        "message_id",
        "messageStatus",
        "channel",
        "channelStatus",
        "supplierStatus",
        "readAt",
        "failedAt",
    )
    for name in shown:
        table.add_column(name)
    for record in answer["data"]:
        table.add_row(*(str(record[name] or "") for name in shown))
    console.print(table)


def main() -> None:
    """Tell the story, show the statuses and a timeline."""
    console = Console()
    keys = {name.upper(): secrets.token_urlsafe(24) for name in Settings.SECRETS}
    # The service reads settings from here alone: what the caller's environment says does not count.
    system = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "TERM") if name in os.environ
    }
    environment = system | keys | {"LOG_LEVEL": "warning"}
    signer = SigningSecrets(keys["HMAC_SECRET"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            _removed_afterwards(EmbeddedPostgres(folder / ".data" / "postgres")),
            fresh_service(folder, environment) as client,
        ):
            for told in STORY:
                body = callback(told)
                headers = {
                    "x-api-key": keys["NOTIFY_API_KEY"],
                    "x-hmac-sha256-signature": signer.sign(body),
                    "content-type": "application/json",
                }
                answer = client.post("/api/status/create", content=body, headers=headers)
                console.print(
                    f"{told.message}  {told.key}  {answer.status_code} {answer.text}", highlight=False
                )
            show_statuses(console, client, keys["CLIENT_API_KEY"])
            timeline = [sys.executable, "-m", "ledger", "timeline", "DEMO-fell-back"]
            subprocess.run(timeline, cwd=folder, env=environment, check=True)  # noqa: S603 - our own


if __name__ == "__main__":
    main()
