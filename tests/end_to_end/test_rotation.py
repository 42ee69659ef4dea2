"""Every secret is rotated at once, as docs/operations.md says, under load: nobody is refused for a moment."""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.signature import SigningSecrets
from ledger.settings import Settings
from tests.end_to_end.test_cli import command
from tests.support.client import BATCH, batch, message, nhs_numbers
from tests.support.database import execute
from tests.support.pages import OURS, SIGN_IN, form_token
from tests.support.service import ENVIRONMENT, Service
from tests.support.supplier import body, delivered

pytestmark = pytest.mark.slow

ROTATED = {
    name.removesuffix("_previous").upper() for name in Settings.model_fields if name.endswith("_previous")
}
"""Every secret that has a twin, be it one that nobody has thought of yet."""

OLD = {name: ENVIRONMENT.get(name, f"old-{name.lower()}") for name in ROTATED}
NEW = {name: f"rotated-{name.lower()}-that-is-long-enough" for name in ROTATED}

NUMBERS = nhs_numbers(5)
"""Of the patients."""

Secrets = Mapping[str, str]


def listed(secret: str) -> str:
    """Return a secret as it stands in a list."""
    return secret.replace(",", r"\,")


def settings(current: Secrets, *previous: Secrets) -> dict[str, str]:
    """Return the settings by which some secrets are current, and others accepted."""
    twins = {f"{name}_PREVIOUS": ",".join(listed(one[name]) for one in previous) for name in ROTATED}
    return ENVIRONMENT | dict(current) | twins | {"SEAL_EVERY": "0.2"}


class Fleet:
    """Two processes over one database behind a balancer, which drains one before it is stopped."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._url = url
        self._changing = threading.Condition()
        self._open: list[Service] = []
        self._under_way: dict[int, int] = {}
        self.logs: list[Path] = []

    def roll(self, environment: Mapping[str, str]) -> None:
        """Replace both processes, one after the other, by ones with these settings."""
        replaced: list[Service | None] = [*self._open] or [None, None]
        for one in replaced:
            fresh = Service(self._folder, workers=1, **dict(environment) | {"DATABASE_URL": self._url})
            fresh.start()
            self.logs.append(fresh.log)
            with self._changing:
                self._open.append(fresh)
            if one is not None:
                self._drain(one)

    @contextmanager
    def one(self) -> Iterator[httpx.Client]:
        """Lend one of the processes that are open."""
        with self._changing:
            service = random.choice(self._open)  # noqa: S311 - no secret
            self._under_way[service.port] = self._under_way.get(service.port, 0) + 1
        try:
            yield service.client
        finally:
            with self._changing:
                self._under_way[service.port] -= 1
                self._changing.notify_all()

    def stop(self) -> None:
        """Stop every process."""
        for one in list(self._open):
            self._drain(one)

    def _drain(self, service: Service) -> None:
        with self._changing:
            self._open.remove(service)
            self._changing.wait_for(lambda: not self._under_way.get(service.port), 60)
        service.client.close()
        assert service.stop() == 0


class Everybody:
    """Suppliers, clients and auditors, each with one of the secrets that are in use, all at once."""

    def __init__(self, fleet: Fleet) -> None:
        self.in_use: list[Secrets] = [OLD]
        self.refused: list[Any] = []
        self.acknowledged: dict[str, str] = {}
        """The HMAC secret by which each key of an acknowledged callback was signed."""
        self._fleet = fleet
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(8)
        self._running: list[Future[None]] = []
        self._cookie = ""

    def sign_in(self, secrets: Secrets) -> None:
        """Begin an auditor's session."""
        with self._fleet.one() as client:
            answer = client.post(SIGN_IN, data={"key": secrets["AUDITOR_API_KEY"]}, headers=OURS)
            client.cookies.clear()
        assert answer.status_code == 303, answer.text
        self._cookie = f"audit={answer.cookies['audit']}"

    def __enter__(self) -> "Everybody":
        self.sign_in(OLD)
        works = [self._post, self._post, self._post, self._post, self._read, self._audit, self._register]
        self._running = [self._pool.submit(self._go_on, work, number) for number, work in enumerate(works)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for one in self._running:
            one.result(120)
        self._pool.shutdown()

    def go_on(self, callbacks: int = 100) -> None:
        """Return when so many more callbacks were acknowledged."""
        enough = len(self.acknowledged) + callbacks
        while len(self.acknowledged) < enough:
            assert not any(one.done() for one in self._running)
            assert not self._stopping.wait(0.01)

    def found(self, patient: str) -> int:
        """Return how many messages clients find of a patient."""
        with self._fleet.one() as client:
            headers = {"x-api-key": NEW["CLIENT_API_KEY"]}
            answer = client.post("/api/statuses/search", json={"nhsNumber": patient}, headers=headers)
        return len(answer.json()["data"])

    def _go_on(self, work: Any, worker: int) -> None:
        dice = random.Random(worker)  # noqa: S311 - no secret
        for number in range(1_000_000):
            if self._stopping.is_set():
                return
            secrets = dice.choice(self.in_use)
            answer = self._answer(lambda client: work(client, secrets, f"{worker}-{number}"))  # noqa: B023 - called at once
            if answer.status_code not in (200, 201, 303):
                self.refused.append((work.__name__, secrets is NEW, answer.status_code, answer.text))

    def _answer(self, work: Callable[[httpx.Client], httpx.Response]) -> httpx.Response:
        """Ask again where an idle connection was closed just as it was used: HTTP's own race, no refusal."""
        for _ in range(5):
            with self._fleet.one() as client, suppress(httpx.TransportError):
                return work(client)
        raise AssertionError("no process answers")

    def _post(self, client: httpx.Client, secrets: Secrets, key: str) -> httpx.Response:
        content = body(delivered(f"message-{key}", key=key, reference=key))
        signature = SigningSecrets(secrets["HMAC_SECRET"]).sign(content)
        headers = {"x-api-key": secrets["NOTIFY_API_KEY"], "x-hmac-sha256-signature": signature}
        answer = client.post("/api/status/create", content=content, headers=headers)
        if answer.status_code == 200:
            self.acknowledged[key] = secrets["HMAC_SECRET"]
        return answer

    def _read(self, client: httpx.Client, secrets: Secrets, key: str) -> httpx.Response:
        if int(key.partition("-")[2]) % 5 == 0:
            return client.get("/metrics", headers={"x-api-key": secrets["METRICS_API_KEY"]})
        return client.get("/api/statuses?limit=5", headers={"x-api-key": secrets["CLIENT_API_KEY"]})

    def _audit(self, client: httpx.Client, secrets: Secrets, key: str) -> httpx.Response:
        """Ask by key, or send a form that another process may have made."""
        if int(key.partition("-")[2]) % 2:
            return client.get("/api/entries?limit=5", headers={"x-api-key": secrets["AUDITOR_API_KEY"]})
        session = {"cookie": self._cookie}
        page = client.get("/audit/search", headers=session)
        if page.status_code != 200:
            return page
        form = {"form_token": form_token(page.text), "messageReference": "0-1"}
        with self._fleet.one() as another:
            return another.post("/audit/search", data=form, headers=session | OURS, follow_redirects=False)

    def _register(self, client: httpx.Client, secrets: Secrets, key: str) -> httpx.Response:
        """Register a message for one patient, and find it by his number."""
        worker, _, number = key.partition("-")
        patient = NUMBERS[int(number) % len(NUMBERS)]
        headers = {"x-api-key": secrets["CLIENT_API_KEY"]}
        registered = f"0-{int(number) % 20}"  # a message that a supplier tells of
        content = batch(message(registered, patient), reference=f"batch-{worker}-{number}")
        answer = client.post(BATCH, content=content, headers=headers)
        if answer.status_code != 201:
            return answer
        return client.post("/api/statuses/search", json={"nhsNumber": patient}, headers=headers)


@pytest.fixture
def fleet(tmp_path: Path, database_url: str) -> Iterator[Fleet]:
    made = Fleet(tmp_path, database_url)
    with ExitStack() as stack:
        stack.callback(made.stop)
        yield made


def test_every_secret_is_rotated_under_load_and_nobody_is_refused(
    fleet: Fleet, tmp_path: Path, database_url: str
) -> None:
    assert {name.upper() for name in Settings.SECRETS} <= ROTATED
    keys = tmp_path / "ledger.pub", tmp_path / "rotated.pub"

    def sealed(environment: Secrets, key: Path) -> None:
        here = {**environment, "DATABASE_URL": database_url}
        _, _, told = command(tmp_path, "seal", settings=here)
        assert "are public" in told, told
        code, key_told, _ = command(tmp_path, "public-key", settings=here)
        assert code == 0
        key.write_text(key_told)

    fleet.roll(settings(OLD))
    with Everybody(fleet) as everybody:
        everybody.go_on()
        sealed(settings(OLD), keys[0])

        fleet.roll(settings(OLD, NEW))  # 1. everybody understands the new ones
        everybody.go_on()
        fleet.roll(settings(NEW, OLD))  # 2. and uses them
        everybody.in_use = [OLD, NEW]  # 3. senders change over, one by one
        sealed(settings(NEW, OLD), keys[1])
        everybody.go_on()
        everybody.in_use = [NEW]
        everybody.go_on()
        kept = {"RECIPIENT_KEY_PREVIOUS", "SEALING_KEY_PREVIOUS"}  # 4. the old ones go, but for two
        forgotten = {f"{name}_PREVIOUS": "" for name in ROTATED if f"{name}_PREVIOUS" not in kept}
        afterwards = settings(NEW, OLD) | forgotten | {"HMAC_SECRETS_ARCHIVE": OLD["HMAC_SECRET"]}
        everybody.sign_in(NEW)
        fleet.roll(afterwards)
        everybody.go_on()
        found = {number: everybody.found(number) for number in NUMBERS}

    assert everybody.refused == []
    assert all(found.values()), "messages that were registered under either key are found"
    assert set(everybody.acknowledged.values()) == {OLD["HMAC_SECRET"], NEW["HMAC_SECRET"]}
    assert execute(database_url, "SELECT count(*) FROM quarantine") == [(0,)]
    assert execute(database_url, "SELECT count(DISTINCT secret_id) FROM entries") == [(2,)]
    assert execute(database_url, "SELECT count(DISTINCT recipient_key_id) FROM registrations") == [(2,)]
    held = {key for (key,) in execute(database_url, "SELECT idempotency_key FROM events")}
    assert held == set(everybody.acknowledged)
    for log in fleet.logs:
        for trouble in ("sealing.stopped", "callback.quarantined", "caller.refused", "request.failed"):
            assert trouble not in log.read_text()
    sealed(afterwards, keys[1])
    words = [f"--key={key}" for key in keys]
    code, told, complaints = command(
        tmp_path, "audit", "verify", *words, "--anchors=.data/anchors",
        settings=afterwards | {"DATABASE_URL": database_url},
    )  # fmt: skip
    assert code == 0, told + complaints
