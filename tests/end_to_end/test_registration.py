"""The running service, two processes over one database, while clients register batches."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.client import BATCH, KEY, NHS_NUMBER, batch, batch_of, message, nhs_numbers, written
from tests.support.database import execute
from tests.support.processes import children, lives, registering, stands_back, wait_until
from tests.support.service import Service, running
from tests.support.supplier import body, delivered

pytestmark = pytest.mark.slow


@pytest.fixture
def service(tmp_path: Path, database_url: str) -> Iterator[Service]:
    with running(tmp_path, workers=2, DATABASE_URL=database_url, LOG_LEVEL="debug") as started:
        yield started


def post(service: Service, content: bytes) -> int:
    return service.client.post(BATCH, content=content, headers=KEY).status_code


def registering_processes(service: Service) -> list[int]:
    return [process for worker in children(service.pid) for process in registering(worker)]


def half_a_batch(service: Service) -> socket.socket:
    """Return a connection over which the first half of a batch was sent."""
    content = batch(message("half"))
    head = f"POST {BATCH} HTTP/1.1\r\nhost: ledger\r\nx-api-key: {KEY['x-api-key']}\r\n"
    connection = socket.create_connection(("127.0.0.1", service.port))
    connection.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content[:40])
    return connection


def test_every_process_of_the_service_registers_and_no_number_is_logged(
    service: Service, database_url: str
) -> None:
    with ThreadPoolExecutor(max_workers=8) as many:
        batches = [batch(message(str(number)), reference=f"batch-{number}") for number in range(60)]
        codes = list(many.map(lambda content: post(service, content), batches * 2))
    assert set(codes) <= {201, 429}
    for content in batches:
        assert post(service, content) == 201
    assert execute(database_url, "SELECT count(*), count(DISTINCT entry_id) FROM registrations") == [(60, 60)]
    service.post(body(delivered(reference="7")))
    assert [one["message_reference"] for one in service.statuses(nhsNumber=NHS_NUMBER)] == ["7"]
    service.statuses(nhsNumber=NHS_NUMBER[:9])
    assert service.stop() == 0
    log = service.log.read_text()
    assert '"event":"batch.registered"' in log
    assert NHS_NUMBER[:9] not in log


def test_an_idle_process_ends_with_a_service_that_is_killed(service: Service) -> None:
    assert post(service, batch(message("1"))) == 201
    processes = registering_processes(service)
    assert processes
    service.kill()
    wait_until(lambda: not any(map(lives, processes)))


def test_a_process_that_holds_half_a_batch_ends_with_a_service_that_is_killed(service: Service) -> None:
    with half_a_batch(service):
        wait_until(lambda: bool(registering_processes(service)))
        processes = registering_processes(service)
        service.kill()
        wait_until(lambda: not any(map(lives, processes)))


def test_a_client_that_hangs_up_in_the_middle_leaves_nothing(service: Service, database_url: str) -> None:
    half_a_batch(service).close()
    wait_until(lambda: "batch.broken_off" in service.log.read_text())
    assert registering_processes(service) == []
    assert execute(database_url, "SELECT count(*) FROM registrations") == [(0,)]


def test_sigterm_lets_a_batch_that_was_read_finish(service: Service, database_url: str) -> None:
    content = written(batch_of(message(str(number)) for number in range(20_000)))
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(post, service, content)
        wait_until(lambda: any(map(stands_back, registering_processes(service))) or answer.done())
        for process in registering_processes(service):  # whoever stops a service may tell all its processes
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
        assert service.stop() == 0
        assert answer.result() == 201
    assert execute(database_url, "SELECT count(*) FROM registrations") == [(20_000,)]


def test_callbacks_are_all_answered_while_45000_messages_are_registered(
    service: Service, database_url: str
) -> None:
    numbers = nhs_numbers(45_000)
    content = written(
        batch_of(
            message(str(place), number, personalisation={"text": "x" * 500})
            for place, number in enumerate(numbers)
        )
    )
    done = threading.Event()

    def call_back(thread: int) -> list[int]:
        codes: list[int] = []
        while not done.is_set():
            name = f"{thread}-{len(codes)}"
            codes.append(service.post(body(delivered(f"m-{name}", key=name, reference=name))).status_code)
        return codes

    with ThreadPoolExecutor() as pool:
        threads = [pool.submit(call_back, thread) for thread in range(2)]
        try:
            assert post(service, content) == 201
        finally:
            done.set()
        codes = [code for thread in threads for code in thread.result()]
    assert set(codes) == {200}
    assert execute(database_url, "SELECT count(*) FROM registrations") == [(45_000,)]
    assert execute(database_url, "SELECT count(*) FROM message_status") == [(len(codes),)]
    wait_until(lambda: registering_processes(service) == [])
