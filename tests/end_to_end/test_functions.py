"""The service as the Functions host runs it: indexed, then called with what the host brings."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from azure.storage.blob import ContainerClient
from psycopg import sql

from eventstore.caller import Scope
from ingest.registrar import Registrar, RegistrationFailed
from ledger.functions import LedgerFunctions
from ledger.settings import Settings, SettingsInvalid
from tests.support.azurite import container
from tests.support.client import ANOTHER, BATCH, NHS_NUMBER, REFERENCE, ROUTING_PLAN, batch, message
from tests.support.clients import issued
from tests.support.database import execute
from tests.support.functions import HERE, Dropbox, Host, imported, sent
from tests.support.pages import OURS
from tests.support.service import ROOT
from tests.support.supplier import AUDITOR_API_KEY, CLIENT_API_KEY, body, delivered, signed

CALLBACK = "/api/status/create"
CLIENT = {"x-api-key": CLIENT_API_KEY}
AUDITOR = {"x-api-key": AUDITOR_API_KEY}


@pytest.fixture
async def functions(service_settings: Settings) -> AsyncIterator[LedgerFunctions]:
    with imported() as app:
        yield app
        await app.on_demand.close()


@pytest.fixture
def host(functions: LedgerFunctions) -> Host:
    return Host(functions)


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with container(tmp_path_factory.mktemp("azurite"), "batches", writes=True) as url:
        yield url


@pytest.fixture
def dropbox(host: Host, azurite: str) -> Iterator[Dropbox]:
    with ContainerClient.from_container_url(azurite) as client:
        yield Dropbox(host, client)
        client.delete_blobs(*client.list_blob_names())


async def post(host: Host, content: bytes, **changes: str | None) -> int:
    answer = await host.request("POST", CALLBACK, headers=signed(content, **changes), body=content)
    return int(answer.status_code)


async def read(host: Host, path: str, headers: dict[str, str] = CLIENT) -> Any:
    answer = await host.request("GET", path, headers=headers)
    assert answer.status_code == 200, answer.get_body()
    return json.loads(answer.get_body())


async def test_the_host_finds_what_terraform_and_the_image_expect(host: Host) -> None:
    assert host.functions.keys() == {"http", "warmup", "seal", "alarms", "register_batch_file"}
    http = host.binding("http", "httpTrigger")
    assert (http["authLevel"].lower(), http["route"]) == ("anonymous", "/{*route}")
    assert {"GET", "POST"} <= {str(getattr(method, "value", method)) for method in http["methods"]}
    assert json.loads((HERE / "host.json").read_text())["extensions"]["http"]["routePrefix"] == ""
    schedules = {name: host.binding(name, "timerTrigger")["schedule"] for name in ("seal", "alarms")}
    assert schedules == {"seal": "*/5 * * * * *", "alarms": "0 * * * * *"}
    file = host.binding("register_batch_file", "blobTrigger")
    assert (file["path"], file["connection"]) == ("%BATCHES_CONTAINER%/{name}", "AzureWebJobsStorage")
    settings = (ROOT / "infra/terraform/core/settings.tf").read_text()
    (listed,) = re.findall(r"background_functions = \[(.*)\]", settings)
    background = {name for name in host.functions if name not in ("http", "warmup")}
    assert background == set(re.findall(r'"(\w+)"', listed))
    assert "BATCHES_CONTAINER " in settings


async def test_a_callback_is_recorded_read_sealed_and_proven(host: Host) -> None:
    content = body(delivered("a-message"))
    answer = await host.request("POST", CALLBACK, headers=signed(content), body=content)
    assert (answer.status_code, json.loads(answer.get_body())) == (200, {"status": "success"})
    assert answer.headers["cache-control"] == "no-store"
    (status,) = (await read(host, "/api/statuses?messageId=a-message"))["data"]
    assert (status["channelStatus"], status["supplierStatus"]) == ("delivered", "delivered")
    timeline = await read(host, "/api/messages/a-message/timeline", AUDITOR)
    (entry,) = {step["entryId"] for step in timeline["data"]["timeline"]}
    assert (await host.request("GET", f"/api/ledger/proof/{entry}", headers=AUDITOR)).status_code == 404
    await host.tick("seal")
    proof = await host.request("GET", f"/api/ledger/proof/{entry}", headers=AUDITOR)
    assert proof.status_code == 200
    assert (await read(host, "/api/entries", AUDITOR))["data"][0]["entryId"] == entry


async def test_refusals_are_those_of_the_contract(host: Host) -> None:
    content = body(delivered())
    assert await post(host, content, x_api_key="wrong") == 401
    assert await post(host, content, x_hmac_sha256_signature="00" * 32) == 403
    assert await post(host, b"{}") == 422
    assert await post(host, b" " * (1024**2 + 1)) == 413
    assert await post(host, content, content_encoding="gzip") == 415
    # As the host tells of a header that came twice.
    assert (
        await post(host, content, x_hmac_sha256_signature=f"{signed(content)['x-hmac-sha256-signature']},00")
        == 403
    )
    assert (await host.request("GET", CALLBACK)).status_code == 405
    unknown = await host.request("GET", "/api/nothing")
    assert (unknown.status_code, json.loads(unknown.get_body())) == (404, {"status": "Not Found"})
    assert (await host.request("GET", "/api/statuses")).status_code == 401
    assert (await host.request("GET", "/api/statuses?nonsense=1", headers=CLIENT)).status_code == 422


async def test_bytes_that_no_text_has_reach_the_signature_check_as_they_are(host: Host) -> None:
    content = body(delivered(messageStatusDescription="it’s delivered"))
    assert await post(host, content) == 200
    assert await post(host, content.replace("’".encode(), b"\xff")) == 422


async def test_requests_that_come_first_together_open_one_service(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = [body(delivered(str(number), key=str(number))) for number in range(20)]
    codes = await asyncio.gather(
        *(post(host, content) for content in contents), host.warm_up(), host.tick("seal")
    )
    assert codes == [200] * 20 + [None] * 2
    assert capsys.readouterr().err.count("service.opened") == 1
    assert len((await read(host, "/api/statuses"))["data"]) == 20


async def test_nothing_runs_on_for_a_request_that_was_answered(host: Host) -> None:
    await host.warm_up()
    await post(host, body(delivered()))
    await read(host, "/api/statuses")
    before = asyncio.all_tasks()
    await post(host, body(delivered(key="key-2")))
    await read(host, "/api/statuses")
    await host.request("POST", BATCH, headers=CLIENT, body=batch(message("1")))
    await host.request("GET", "/audit/sign-in")
    await host.tick("seal")
    assert asyncio.all_tasks() == before


async def test_a_warm_instance_has_its_connections_before_the_first_request(
    functions: LedgerFunctions, host: Host
) -> None:
    await host.warm_up()
    async with functions.ledger.database.connection() as connection:
        assert not connection.closed


async def test_a_database_that_is_away_at_the_start_costs_no_restart(
    host: Host,
    database_url: str,
    postgres: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("ledger.runtime.TRY_EVERY", 0.01)
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    (name,) = re.findall(r"/(test_\w+)", database_url)

    def let_in(*, yes: bool) -> None:
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(allow.format(sql.Identifier(name), sql.Literal(yes)))

    let_in(yes=False)
    content = body(delivered())
    assert await post(host, content) == 500
    assert "service.waits" in capsys.readouterr().err
    assert (await host.request("GET", "/api/healthcheck")).status_code == 200
    ready = await host.request("GET", "/api/healthcheck/ready")
    assert (ready.status_code, json.loads(ready.get_body())["missing"]) == (503, ["database"])
    with pytest.raises(Exception, match="not open"):
        await host.tick("seal")
    let_in(yes=True)
    while await post(host, content) != 200:  # noqa: ASYNC110 - only by asking it can be told
        await asyncio.sleep(0.01)
    assert (await host.request("GET", "/api/healthcheck/ready")).status_code == 200


async def test_a_database_that_is_not_fit_is_told_and_looked_at_again(
    host: Host, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ledger.on_demand.PAUSE", 0)
    ((head,),) = execute(database_url, "SELECT version_num FROM alembic_version")
    execute(database_url, "UPDATE alembic_version SET version_num = '0001'")
    content = body(delivered())
    assert [await post(host, content) for _ in range(3)] == [500] * 3
    told = capsys.readouterr().err
    assert "service.opening_failed" in told
    assert "migrations are at 0001" in told
    assert (await host.request("GET", "/api/healthcheck")).status_code == 200
    assert (await host.request("GET", "/api/healthcheck/ready")).status_code == 503
    execute(database_url, f"UPDATE alembic_version SET version_num = '{head}'")  # noqa: S608 - what was there
    while await post(host, content) != 200:  # noqa: ASYNC110 - only by asking it can be told
        await asyncio.sleep(0.01)


async def test_an_auditor_signs_in_though_nobody_knows_from_where(host: Host, database_url: str) -> None:
    assert (await host.request("GET", "/audit/sign-in")).status_code == 200
    form = f"key={AUDITOR_API_KEY}&next=/audit/search".encode()
    headers = OURS | {"content-type": "application/x-www-form-urlencoded"}
    answer = await host.request("POST", "/audit/sign-in", headers=headers, body=form)
    assert answer.status_code == 303, answer.get_body()
    (session,) = sent(answer)["cookies"]  # the host sends them apart from the headers
    cookie = "; ".join(f"{name}={one.value}" for name, one in session.items())
    assert (await host.request("GET", "/audit/search", headers={"cookie": cookie})).status_code == 200
    seen = "SELECT access, actor, peer FROM access_log ORDER BY access_id DESC LIMIT 1"
    assert execute(database_url, seen) == [("GET /audit/search", "auditor", None)]


async def test_alarms_are_raised_by_what_the_database_tells(
    functions: LedgerFunctions,
    host: Host,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await host.tick("alarms")
    assert "alarm.raised" not in capsys.readouterr().err
    await post(host, body(delivered()))
    monkeypatch.setattr("ledger.alarms.MOST_UNSEALED", 0)
    await host.tick("alarms")
    told = capsys.readouterr().err
    assert "alarm.raised" in told
    assert "unsealed-too-long" in told
    await host.tick("seal")
    capsys.readouterr()
    await host.tick("alarms")
    assert "alarm.raised" not in capsys.readouterr().err
    await functions.on_demand.close()
    monkeypatch.setattr(functions.on_demand, "open", never)
    await host.tick("alarms")
    assert "database-down" in capsys.readouterr().err


async def never() -> None:
    """Open nothing."""


@pytest.mark.slow
async def test_batch_files_are_registered_once_with_a_result_beside_each(
    host: Host, dropbox: Dropbox, database_url: str
) -> None:
    header = "messageReference,nhsNumber,messageBatchReference,routingPlanId"
    csv = f"{header}\nof-csv,{NHS_NUMBER},b,{ROUTING_PLAN}\n"
    dropbox.drop("of-november.csv", csv.encode())
    dropbox.drop("of-december.json", batch(message("of-json", ANOTHER)))
    dropbox.drop("wrong.CSV", csv.replace(NHS_NUMBER, "9990000000").encode())
    dropbox.drop("notes.txt", b"hello")
    assert len(await dropbox.look()) == 4
    results = {
        name: dropbox.result(name)
        for name in ("of-november.csv", "of-december.json", "wrong.CSV", "notes.txt")
    }
    assert [one["status"] for one in results.values()] == [
        "success",
        "success",
        "row 2.nhsNumber: must be text, 10 digits of which the last is the check digit",
        "file: must be named .json or .csv",
    ]
    assert (results["of-november.csv"]["registered"], results["of-november.csv"]["new"]) == (1, 1)
    # The results themselves are brought too, and have none.
    assert len(await dropbox.look()) == 4
    assert await dropbox.look() == []
    assert len(dropbox.names) == 8

    await post(
        host, body(delivered("m-1", reference="of-csv"), delivered("m-2", key="k2", reference="of-json"))
    )
    (found,) = (await read(host, "/api/statuses?batchReference=b"))["data"]
    assert found["message_id"] == "m-1"
    (found,) = (await read(host, f"/api/statuses?nhsNumber={ANOTHER}&batchReference={REFERENCE}"))["data"]
    assert found["message_id"] == "m-2"

    await dropbox.look(again=True)
    assert dropbox.result("of-november.csv") == results["of-november.csv"] | {"new": 0, "entry_id": None}
    posted = await host.request("POST", BATCH, headers=CLIENT, body=batch(message("of-json", ANOTHER)))
    assert posted.status_code == 201
    entries = "SELECT count(*) FROM entries WHERE kind = 'registration'"
    assert execute(database_url, entries) == [(2,)]
    assert execute(database_url, "SELECT count(*), count(DISTINCT client_id) FROM registrations") == [(2, 1)]


@pytest.mark.slow
async def test_a_file_in_a_folder_is_its_clients(host: Host, dropbox: Dropbox, database_url: str) -> None:
    key = await issued(database_url, "breast-screening", Scope.STATUSES_READ, Scope.BATCHES_WRITE)
    await issued(database_url, "reader", Scope.STATUSES_READ)
    for folder in ("breast-screening/2026", "reader", "nobody"):
        dropbox.drop(f"{folder}/batch.json", batch(message(f"of {folder}")))
    await dropbox.look()
    assert dropbox.result("breast-screening/2026/batch.json")["client"] == "breast-screening"
    for folder in ("reader", "nobody"):
        assert dropbox.result(f"{folder}/batch.json")["status"].startswith("file: must be in no folder")
    assert execute(database_url, "SELECT message_reference, client_id FROM registrations") == [
        ("of breast-screening/2026", "breast-screening")
    ]
    await post(host, body(delivered(reference="of breast-screening/2026")))
    assert len((await read(host, "/api/statuses", {"x-api-key": key}))["data"]) == 1


@pytest.mark.slow
async def test_a_file_whose_registration_fails_waits_for_the_next_time(
    host: Host, dropbox: Dropbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropbox.drop("later.json", batch(message("later")))

    async def fails(*_: object, **__: object) -> None:
        raise RegistrationFailed

    with monkeypatch.context() as failing:
        failing.setattr(Registrar, "register", fails)
        with pytest.raises(RegistrationFailed):
            await dropbox.look()
    assert "later.json.result.json" not in dropbox.names
    await dropbox.look()
    assert dropbox.result("later.json")["new"] == 1


@pytest.mark.parametrize("value", ["", "@Microsoft.KeyVault(SecretUri=https://vault/secrets/hmac-secret)"])
def test_a_secret_that_is_missing_or_unresolved_stops_the_start(
    service_settings: Settings, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HMAC_SECRET", value)
    with pytest.raises(SettingsInvalid, match="HMAC_SECRET"), imported():
        pass


def test_the_example_of_local_settings_is_that_of_the_other_deployments() -> None:
    values = json.loads((HERE / "local.settings.example.json").read_text())["Values"]
    lines = Path(ROOT / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert example.items() <= values.items()
    settings = {name.upper() for name in Settings.model_fields}
    of_the_host = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "BATCHES_CONTAINER"}
    assert values.keys() - settings == of_the_host
    assert (values["SEAL_EVERY"], values["MAX_STREAMS"]) == ("0", "0")
