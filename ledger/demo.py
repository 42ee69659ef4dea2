"""`make demo`: a fresh service hears the lives of 300 messages, and shows what it makes of them.

It lives in a temporary folder with random secrets and a PostgreSQL of its own, and leaves nothing behind,
however it ends. The same `--seed` shows the same statuses.
"""

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from eventstore.errors import LedgerError
from ledger.commands.options import percentage
from ledger.embedded import EmbeddedPostgres, PostgresFailedError
from ledger.settings import Settings
from ledger.simulator.expected import expected
from ledger.simulator.lifecycles import Fact
from ledger.simulator.plan import UNTIL, Plan, plan

MESSAGES = 300
DUPLICATES = "10%"
SHUFFLE = "20%"
SHOWN = 12
"""Messages whose statuses are shown, at most."""

PATIENCE = 30.0
"""Seconds to wait for the service to come up, and for what was interrupted to let go of the database."""

_SYSTEM = ("PATH", "HOME", "LANG", "TMPDIR", "TERM", "COLUMNS", "NO_COLOR", "PYTHONPATH")
# All that the commands see of the caller's environment: its settings do not count.


class ServiceFailed(LedgerError):
    """The service did not come up."""


class Demo:
    """The commands of a service that lives in one folder."""

    def __init__(self, console: Console, folder: Path) -> None:
        """Take where to print, and an empty folder."""
        self.console = console
        self._folder = folder
        self.keys = {name.upper(): secrets.token_urlsafe(24) for name in Settings.SECRETS}
        system = {name: os.environ[name] for name in _SYSTEM if name in os.environ}
        self._environment = system | self.keys | {"LOG_LEVEL": "warning"}

    def run(self, *words: str) -> None:
        """Show a command and run it; raises `CalledProcessError` where it exits with another code than 0."""
        self.console.print(
            f"\n$ status-ledger {' '.join(words)}", style="bold", highlight=False, soft_wrap=True
        )
        subprocess.run(self._command(words), **self._surroundings(), check=True)  # noqa: S603 - our own

    @contextmanager
    def service(self) -> Iterator[httpx.Client]:
        """Serve, and lend a client that speaks to the service."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = self._command(("serve", "--port", str(port)))
        with (
            subprocess.Popen(command, **self._surroundings()) as process,  # noqa: S603 - our own
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
        ):
            try:
                _wait_until_ready(process, client)
                yield client
            finally:
                process.terminate()

    def _command(self, words: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "ledger", *words]

    def _surroundings(self) -> dict[str, Any]:
        # A session of its own: Ctrl-C is for the demo, which ends what it started.
        return {"cwd": self._folder, "env": self._environment, "start_new_session": True}


def main() -> None:
    """Run the demo; exits with the code of the first command that fails."""
    options = argparse.ArgumentParser(prog="python -m ledger.demo", description=__doc__.partition("\n")[0])
    options.add_argument("--seed", type=int, default=7, help="what the lives are drawn from (default: 7)")
    seed = options.parse_args().seed
    _answer_signals(_end)
    console = Console()
    try:
        with tempfile.TemporaryDirectory(prefix="status-ledger-demo-") as name:
            postgres = EmbeddedPostgres(Path(name) / ".data" / "postgres")
            try:
                postgres.acquire()
                show(Demo(console, Path(name)), seed)
            finally:
                _remove(postgres)
    except subprocess.CalledProcessError as failed:
        sys.exit(failed.returncode)
    except LedgerError as error:
        sys.exit(f"demo: {error}")
    finally:
        console.show_cursor()  # a command that was interrupted under its progress bar hid it


def show(demo: Demo, seed: int) -> None:
    """Tell the messages' lives, then show statuses and a timeline, and have the read model verified."""
    demo.run("migrate")
    planned = plan(MESSAGES, seed, duplicates=percentage(DUPLICATES), shuffle=percentage(SHUFFLE))
    with demo.service() as client:
        told = (f"--messages={MESSAGES}", f"--duplicates={DUPLICATES}", f"--shuffle={SHUFFLE}")
        demo.run("simulate", f"--url={client.base_url}", f"--seed={seed}", *told)
        demo.console.print("", statuses(client, demo.keys["CLIENT_API_KEY"], one_of_each(planned)))
        demo.run("timeline", most_eventful(planned))
        demo.run("verify")


def one_of_each(planned: Plan) -> list[str]:
    """Return messages that differ in their statuses, the one born first for each, at most `SHOWN`."""
    latest = {
        view.message_id: record for view, record in expected(planned.callbacks).items() if not view.channel
    }
    kinds: dict[tuple[object, ...], str] = {}
    for message_id, record in latest.items():
        kind = tuple(record[name] for name in ("messageStatus", "channel", "channelStatus", "supplierStatus"))
        kinds.setdefault(kind, message_id)
    return list(kinds.values())[:SHOWN]


def most_eventful(planned: Plan) -> str:
    """Return the message with the most to see and, among equals, the least to read.

    Worth seeing are a fallback to another channel, a status that came back after another, a callback
    that was told twice, and an end.
    """
    told_twice = {one.message_id for one, times in Counter(planned.deliveries).items() if times > 1}
    lives: dict[str, list[Fact]] = {}
    for callback in planned.callbacks:
        lives.setdefault(callback.message_id, []).append(callback.fact)

    def interest(message_id: str) -> tuple[int, int]:
        facts = lives[message_id]
        seen = (
            any(fact.cascade_order == 2 for fact in facts),
            len({fact._replace(at=UNTIL) for fact in facts}) < len(facts),
            message_id in told_twice,
            facts[-1].message_status in ("delivered", "failed"),
        )
        return sum(seen), -len(facts)

    return max(lives, key=interest)


def statuses(client: httpx.Client, key: str, message_ids: Sequence[str]) -> Table:
    """Return what a client reads of some messages."""
    table = Table(title=f"{len(message_ids)} of {MESSAGES} messages", title_justify="left")
    shown = ("message_id", "messageStatus", "channel", "channelStatus", "supplierStatus", "occurredAt")
    for name in shown:
        table.add_column(name, overflow="fold", no_wrap=name == "message_id")
    for message_id in message_ids:
        asked = {"messageId": message_id}
        answer = client.post("/api/statuses/search", json=asked, headers={"x-api-key": key})
        (record,) = answer.raise_for_status().json()["data"]
        table.add_row(*(str(record[name] or "") for name in shown))
    return table


def _wait_until_ready(process: subprocess.Popen[bytes], client: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            client.get("/api/healthcheck/ready").raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise ServiceFailed


def _remove(postgres: EmbeddedPostgres) -> None:
    """Remove the database as soon as what was interrupted lets go of it, whatever Ctrl-C comes now."""
    _answer_signals(signal.SIG_IGN)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            postgres.remove()
        except PostgresFailedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def _end(number: int, _: object) -> None:
    """End in good order, and only once: a second Ctrl-C must not leave half of it behind."""
    _answer_signals(signal.SIG_IGN)
    sys.exit(128 + number)


def _answer_signals(answer: signal.Handlers | Callable[[int, Any], None]) -> None:
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, answer)


if __name__ == "__main__":
    main()
