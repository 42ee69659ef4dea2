"""The running service and what it should never be sent: no 5xx, nothing kept twice, nothing that grows."""

import re
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore.caller import Scope
from tests.support.client import BATCH
from tests.support.database import cloned, execute
from tests.support.hostile import MEGABYTE, callbacks, fresh, hostile_json, of_item, with_value, wrong_types
from tests.support.pages import OURS, SIGN_IN
from tests.support.routes import METRICS, OPEN, RULES, SESSION, SUPPLIER
from tests.support.service import Service, running
from tests.support.supplier import AUDITOR_API_KEY, CLIENT_API_KEY, NOTIFY_API_KEY, body, delivered
from tests.support.wire import request

pytestmark = pytest.mark.slow

LONGEST_LINE = 8 * 1024
"""Bytes of a line of the log, tracebacks included."""


@pytest.fixture(scope="module")
def database(postgres: str) -> Iterator[str]:
    with cloned(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, database: str) -> Iterator[Service]:
    """A service that every test of the module attacks; it must be as well at the end as at the start."""
    with running(tmp_path_factory.mktemp("hostile"), DATABASE_URL=database, SEAL_EVERY="0") as started:
        yield started
        assert started.post(body(delivered("at-the-end", key="at-the-end"))).status_code == 200
        for line in started.log.read_bytes().splitlines():
            assert len(line) < LONGEST_LINE, line[:200]
            assert not re.search(rb'"level":"(error|critical)"|Traceback', line), line[-2000:]


def test_whatever_a_callback_says_it_is_recorded_or_refused_and_kept_once(
    service: Service, database: str
) -> None:
    allowed = {200, 413, 422}
    for name, content in callbacks():
        before = execute(database, "SELECT count(*) FROM entries")[0][0]
        answer = service.post(content)
        assert answer.status_code in allowed, (name, answer.text)
        assert len(answer.content) < 512, name
        assert answer.text.isascii(), name
        kept = execute(database, "SELECT count(*) FROM entries")[0][0] - before  # type: ignore[operator] # a count
        assert kept == (answer.status_code != 413), name
        assert answer.status_code != 413 or len(content) > MEGABYTE, name


def test_whatever_a_client_asks_it_is_answered_or_refused(service: Service) -> None:
    client = {"x-api-key": CLIENT_API_KEY}
    for name, content in (*hostile_json(), *wrong_types()):
        for path in ("/api/statuses/search", BATCH):
            answer = service.client.post(path, content=content, headers=client)
            assert answer.status_code in {200, 201, 408, 413, 422}, (path, name, answer.text)
            assert answer.is_success or len(answer.content) < 512, (path, name)


KEYS: dict[str, str] = {
    SUPPLIER: NOTIFY_API_KEY,
    Scope.STATUSES_READ: CLIENT_API_KEY,
    Scope.BATCHES_WRITE: CLIENT_API_KEY,
    Scope.AUDIT_READ: AUDITOR_API_KEY,
    METRICS: "unknown",
    OPEN: "unknown",
    SESSION: "unknown",
}
"""Which key opens what."""

ODD_HEADERS = [
    {"host": "["},
    {"host": "ledger/audit/?"},
    {"host": "a" * 10_000},
    {"origin": "http://["},
    {"origin": "null"},
    {"cookie": "audit=" + "a" * 5_000},
    {"cookie": 'audit="\\000\\377"; =; ;;'},
    {"cookie": "audit=.eyJ.x"},
    {"accept": "text/csv;q=nan, */*;q=1e999, ;;;,,,"},
    {"accept": "text/csv;" * 1_000},
    {"content-encoding": "gzip"},
    {"content-type": "\xff"},
    {"content-type": "multipart/form-data; boundary="},
    {"range": "bytes=0-,-1"},
    {"if-modified-since": "\xff"},
    {"x-forwarded-for": "127.0.0.1, unknown"},
    {"x-api-key": "\xff\xfe"},
    {"x-api-key": ""},
    {"x-hmac-sha256-signature": "\xff" * 64},
    {"transfer-encoding": "chunked"},
]


HOLES = [
    "m",
    "%00",
    "%ff",
    "%ed%a0%80",
    "..",
    "%2e%2e%2f",
    "a" * 5_000,
    "{}",
    "%0d%0aX: y",
    "'",
    "%25",
    "-1",
    "9" * 400,
]
LONG = "9" * 5_000
QUERIES = f"""
? ?&=& ?limit= ?limit=1e999 ?limit={LONG} ?limit=1&limit=1 ?limit=%EF%BC%91 ?cursor=%00 ?cursor={LONG}
?known_at=9999-12-31T23:59:59.999999Z ?known_at={LONG[:30]} ?known_at=0001-01-01T00:00:00%2B23:59
?as_of=0001-01-01 ?as_of=0001-01-01T00:00:00%2B23:59 ?as_of=9999-12-31T23:59:59-23:59
?created_at=9999-12-31 ?created_at=0001-01-01T00:00:00%2B23:59 ?createdAfter=0001-01-01T00:00:00%2B23:59
?createdBefore=9999-12-31T23:59:59-23:59 ?asOf=9999-12-31 ?asOf=0001-01-01 ?asOf=0001-01-01T00:00:00%2B23:59
?messageId=%00 ?messageId=%ed%a0%80 ?nhsNumber=%00 ?reference=%00 ?reference=%ed%a0%80 ?batchReference=%ff
?batchReference=%00 ?after=%00 ?after={LONG} ?from=0001-01-01&to=9999-12-31 ?from=x&to= ?channel={LONG}
?%ff=%ff ?index=-1 ?index={LONG} ?{"a&" * 5_000}
""".split()


def asked(service: Service, method: str, path: str, headers: dict[str, str]) -> int:
    """Send a request as it is, whatever a client's library would make of it; return the answer's status."""
    lines = {"host": "ledger", "content-length": "0"} | headers
    if "transfer-encoding" in lines:
        del lines["content-length"]
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())])
    end = "\r\n\r\n0\r\n\r\n" if "transfer-encoding" in lines else "\r\n\r\n"
    return first_status(service, (head + end).encode("latin-1"))


def first_status(service: Service, sent: bytes) -> int:
    """Return the status of the first answer to bytes; 0 where there is none."""
    return ([*statuses(service, sent), 0])[0]


def statuses(service: Service, *sent: bytes) -> list[int]:
    """Return the status of every answer to bytes, after which nothing is said."""
    received = b""
    with (
        socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection,
        suppress(OSError),
    ):
        for part in sent:
            connection.sendall(part)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65536):
            received += part
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]


@pytest.mark.parametrize("route", RULES)
def test_whatever_is_asked_of_a_route_it_is_no_fault_of_the_service(service: Service, route: str) -> None:
    method, path = route.split(" ")
    borne = {"x-api-key": KEYS[RULES[route]]}
    if RULES[route] == SESSION:
        answer = service.client.post(SIGN_IN, data={"key": AUDITOR_API_KEY}, headers=OURS)
        borne["cookie"] = answer.headers["set-cookie"].partition(";")[0]
    plain = re.sub(r"[{}]", "", path)
    tried: list[tuple[str, dict[str, str]]] = [(plain + query, {}) for query in QUERIES]
    tried += [(re.sub(r"\{\w+\}", hole, path), {}) for hole in (HOLES if "{" in path else ())]
    tried += [(plain, headers) for headers in ODD_HEADERS]
    for target, headers in tried:
        for known in (borne | headers, headers):
            code = asked(service, method, target, known)
            assert code < 500, (target[:80], known)

    if method == "POST":  # who hangs up in the middle of a body is no fault either: the log tells of none
        head = f"POST {plain} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nSec-Fetch-Site: same-origin\r\n"
        lines = "".join(f"{name}: {value}\r\n" for name, value in borne.items())
        assert statuses(service, f"{head}{lines}\r\n".encode() + b"{") == []


# Bytes

TOKENS = [
    *(b"\r\n", b"\n", b"\r", b"\0", b":", b" ", b",", b"\r\n\r\n", b"0\r\n\r\n", b"\x80", b"HTTP/1.1", b"/"),
    *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 0\r\n", b"Expect: 100-continue\r\n"),
    *(b"Connection: close\r\n", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"Content-Encoding: gzip\r\n"),
    *(b"x-api-key: x\r\n", b"ffffffffffffffff\r\n", b"9" * 20, b"GET / HTTP/1.1\r\n"),
]


@st.composite
def torn(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes of requests, a few of them changed, gone, said twice, or put in."""
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(whole)))
        end = draw(st.integers(start, min(len(whole), start + draw(st.sampled_from([1, 4, 40, 4_000])))))
        said = whole[start:end]
        put = draw(
            st.sampled_from([b"", said + said, said[::-1]]) | st.sampled_from(TOKENS) | st.binary(max_size=3)
        )
        whole = whole[:start] + put + whole[end:]
    return whole


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_requests_torn_anywhere_are_no_fault_of_the_service_and_none_is_kept_twice(
    service: Service, database: str, data: st.DataObject
) -> None:
    contents = [of_item(fresh()) for _ in range(data.draw(st.integers(1, 3)))]
    chunks = [b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content) for content in contents]
    whole = b""
    for content, chunked in zip(contents, chunks, strict=True):
        head = request(content).removesuffix(content)
        if data.draw(st.booleans()):
            head = head.replace(b"Content-Length: %d" % len(content), b"Transfer-Encoding: chunked")
            whole += head + chunked
        else:
            whole += head + content
    sent = data.draw(torn(whole))
    cut = data.draw(st.integers(0, len(sent)))
    codes = statuses(service, sent[:cut], sent[cut:])
    assert all(code < 500 for code in codes), codes
    for content in contents:
        kept = execute(database, f"SELECT count(*) FROM entries WHERE body = '\\x{content.hex()}'")[0][0]  # noqa: S608 - hex digits
        assert kept <= sent.count(content), sent  # type: ignore[operator] # a count


# Numbers


def memory(service: Service) -> int:
    """Return the bytes of memory that the process of the service holds."""
    return int(Path(f"/proc/{service.pid}/statm").read_text().split()[1]) * resource.getpagesize()


def test_memory_does_not_grow_with_what_is_refused(service: Service) -> None:
    large, deep = with_value(b'"' + b"a" * 10 * MEGABYTE + b'"'), with_value(b"[" * 400_000)
    floods = [
        request(b"").replace(b"\r\n\r\n", b"\r\nX: " + b"a" * 600_000 + b"\r\n\r\n"),
        request(b"").replace(b"\r\n\r\n", b"\r\nX: a" * 5_000 + b"\r\n\r\n"),
        b"GET / HTTP/1.1\r\n\r\n" * 20_000,
        request(large),
        request(large)[: 5 * MEGABYTE],
        request(deep),
        request(deep)[:-1],
    ]
    held = []
    for _ in range(40):
        for sent in floods:
            statuses(service, sent)
        held.append(memory(service))
    assert max(held[20:]) - max(held[:20]) < 16 * MEGABYTE, held


MANY = 10_000


def test_ten_thousand_connections_that_say_nothing_stand_in_nobodys_way(service: Service) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < MANY + 1_000:
        pytest.skip(f"a process may open {hard} files here, and {MANY} connections are needed")
    before = memory(service)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with ExitStack() as stack:
            idle = [
                stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=120))
                for _ in range(MANY)
            ]
            for number, connection in enumerate(idle):
                connection.sendall(request(b"{}")[: number % 200])
            assert {service.post(of_item(fresh())).status_code for _ in range(100)} == {200}
            assert memory(service) - before < 400 * MEGABYTE
            for connection in idle:
                with suppress(ConnectionError):
                    assert connection.recv(1) == b""  # left at last
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_connections_than_there_are_files_are_survived(tmp_path: Path, database: str) -> None:
    with running(tmp_path, DATABASE_URL=database, SEAL_EVERY="0") as service:
        assert service.post(of_item(fresh())).status_code == 200
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (100, 100))
        with ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=120))
            assert {service.post(of_item(fresh())).status_code for _ in range(20)} == {200}
            time.sleep(3)  # the time in which it could fill its log
        deadline = time.monotonic() + 60
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", service.port), timeout=10) as one:
                one.sendall(b"GET /api/healthcheck HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if one.recv(100).startswith(b"HTTP/1.1 200"):
                    break
            assert time.monotonic() < deadline
        assert len(service.log.read_bytes()) < 64 * 1024, service.log.read_text()[-3000:]
