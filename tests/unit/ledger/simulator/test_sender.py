"""The sender signs what it sends, sends again what was not taken, and reports what never was."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import chain, repeat

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from ingest.signature import SigningSecrets
from ledger.simulator.keys import Keys
from ledger.simulator.lines import Lines
from ledger.simulator.patience import LONGEST_WAIT, GaveUp, Patience
from ledger.simulator.plan import plan
from ledger.simulator.sender import DEAD_AFTER, KeysRefused, Pace, Sender, Sent

KEYS = Keys("supplier's key", "client's key", SigningSecrets("APPLICATION.key"))
CALLBACKS = plan(8, seed=1).callbacks
FEW = CALLBACKS[:3]
ONE_BY_ONE = Pace(1)


class Slept:
    """Sleeps at once, and remembers for how long it should have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


class Service:
    """A stand-in that gives the answers that it was told to, one after the other, and keeps what it got."""

    def __init__(self, answers: Iterable[int], retry_after: str | None = None) -> None:
        self._answers = iter(answers)
        self._headers = [] if retry_after is None else [(b"retry-after", retry_after.encode())]
        self.got: list[tuple[dict[bytes, bytes], bytes]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        self.got.append((dict(scope["headers"]), body))
        code = next(self._answers)
        await send({"type": "http.response.start", "status": code, "headers": self._headers})
        await send({"type": "http.response.body", "body": b'{"status": "of the test"}'})


async def sent_to(
    service: Service, patience: Patience, pace: Pace = ONE_BY_ONE, slept: Slept | None = None
) -> Sent:
    transport = httpx.ASGITransport(service)
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
        return await Sender(client, KEYS, patience, pace, slept or Slept()).send(FEW, lambda _: None)


async def test_each_callback_is_sent_as_it_is_with_its_key_and_signature() -> None:
    service = Service(repeat(200))
    sent = await sent_to(service, Patience())
    assert [callback.body for callback in sent.told] == [body for _, body in service.got]
    assert [body for _, body in service.got] == [callback.body for callback in FEW]
    for headers, body in service.got:
        assert headers[b"x-api-key"] == b"supplier's key"
        assert KEYS.secrets.verify(body, headers[b"x-hmac-sha256-signature"]) is not None


async def test_429_and_500_are_followed_by_another_attempt_with_the_same_bytes() -> None:
    slept = Slept()
    patience = Patience(sleep=slept)
    service = Service(chain([429, 500, 200], repeat(200)), retry_after="7")
    sent = await sent_to(service, patience)
    assert (len(sent.told), sent.given_up, sent.unsent) == (3, [], 0)
    assert patience.answers == {"200": 3, "429": 1, "500": 1}
    assert patience.retries == len(slept.seconds) == 2
    assert min(slept.seconds) >= 7
    assert len({body for _, body in service.got[:3]}) == 1


@pytest.mark.parametrize(
    ("retry_after", "least", "most"), [(None, 0, 0.2), ("5", 5, 5.2), ("3600", 60, 60), ("soon", 0, 0.2)]
)
async def test_retry_after_is_honoured_within_reason_and_jitter_comes_on_top(
    retry_after: str | None, least: float, most: float
) -> None:
    slept = Slept()
    await sent_to(Service(chain([503], repeat(200)), retry_after), Patience(sleep=slept))
    (seconds,) = slept.seconds
    assert least <= seconds <= most <= LONGEST_WAIT


async def test_the_time_between_attempts_may_double_each_time_and_is_bounded() -> None:
    slept = Slept()
    patience = Patience(attempts=30, sleep=slept)
    with pytest.raises(GaveUp, match="500 in the last of 30 attempts"):
        await patience.ask(lambda: answered(500))
    for attempt, seconds in enumerate(slept.seconds):
        assert 0 <= seconds <= min(0.2 * 2**attempt, LONGEST_WAIT)


async def answered(code: int) -> httpx.Response:
    return httpx.Response(code)


async def test_a_connection_that_fails_is_tried_again_and_counted_by_its_error() -> None:
    failures: Iterator[Exception | None] = chain(
        [httpx.ConnectError(""), httpx.ReadTimeout("")], repeat(None)
    )

    async def post() -> httpx.Response:
        if failure := next(failures):
            raise failure
        return httpx.Response(200)

    patience = Patience(sleep=Slept())
    assert (await patience.ask(post)).status_code == 200
    assert patience.answers == {"ConnectError": 1, "ReadTimeout": 1, "200": 1}
    assert patience.retries == 2


async def test_a_callback_that_is_refused_for_good_is_reported_and_not_sent_again() -> None:
    service = Service(chain([422], repeat(200)))
    sent = await sent_to(service, Patience(sleep=Slept()))
    assert [callback.body for callback in sent.told] == [callback.body for callback in FEW[1:]]
    ((given_up, reason),) = sent.given_up
    assert (given_up, reason) == (FEW[0], '422 {"status": "of the test"}')
    assert len(service.got) == 3


async def test_a_callback_that_is_never_taken_is_given_up_after_so_many_attempts() -> None:
    service = Service(chain(repeat(500, 4), repeat(200)))
    sent = await sent_to(service, Patience(attempts=4, sleep=Slept()))
    assert [(one.callback, one.reason) for one in sent.given_up] == [
        (FEW[0], "500 in the last of 4 attempts")
    ]
    assert len(sent.told) == 2


@pytest.mark.parametrize("code", [401, 403])
async def test_refused_keys_end_it_at_once(code: int) -> None:
    service = Service(repeat(code))
    with pytest.raises(KeysRefused, match=str(code)):
        await sent_to(service, Patience())
    assert len(service.got) == 1


async def test_a_service_that_is_gone_is_not_asked_for_ever() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("")

    answers: list[int] = []
    transport = httpx.MockTransport(refuse)
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
        patience = Patience(attempts=2, sleep=Slept())
        sent = await Sender(client, KEYS, patience, Pace(4)).send(CALLBACKS, answers.append)
    assert sent.told == []
    assert DEAD_AFTER <= len(sent.given_up) < DEAD_AFTER + 4
    assert len(sent.given_up) + sent.unsent == len(CALLBACKS)
    assert sum(answers) == len(sent.given_up)


async def test_no_more_than_so_many_are_on_their_way_at_once() -> None:
    under_way: set[bytes] = set()
    most = 0

    async def handle(request: httpx.Request) -> httpx.Response:
        nonlocal most
        under_way.add(request.content)
        most = max(most, len(under_way))
        await asyncio.sleep(0)
        under_way.remove(request.content)
        return httpx.Response(200)

    transport = httpx.MockTransport(handle)
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
        sent = await Sender(client, KEYS, Patience(), Pace(3)).send(CALLBACKS, lambda _: None)
    assert len(sent.told) == len(CALLBACKS)
    assert most == 3


async def test_each_waits_for_its_turn_where_a_rate_is_set() -> None:
    slept = Slept()
    await sent_to(Service(repeat(200)), Patience(), Pace(1, rate=1e-9), slept)
    assert slept.seconds == [pytest.approx(1e9, rel=1e-3), pytest.approx(2e9, rel=1e-3)]


@pytest.fixture
async def server() -> AsyncIterator[tuple[int, Callable[[], int]]]:
    """A server that counts connections: its port, and how many there were."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], lambda: connections


async def test_lines_are_used_again_and_never_more_than_there_are(
    server: tuple[int, Callable[[], int]],
) -> None:
    port, connections = server
    async with httpx.AsyncClient(transport=Lines(3), base_url=f"http://127.0.0.1:{port}") as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(30)))
    assert {answer.text for answer in answers} == {"ok"}
    assert connections() == 3
