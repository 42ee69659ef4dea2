"""A stand-in for the Functions host: indexes the functions, and calls them with what the host would bring."""

import importlib.util
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import azure.functions as func
from azure.functions.blob import BlobConverter
from azure.functions.decorators.function_app import FunctionRegister
from azure.functions.http import HttpRequestConverter, HttpResponseConverter
from azure.functions.meta import Datum
from azure.functions.timer import TimerRequestConverter
from azure.functions.warmup import WarmUpContext
from azure.storage.blob import ContainerClient

import ledger.functions
from ledger.functions import LedgerFunctions
from tests.support.service import ROOT

HERE = ROOT / "infra" / "functions"


@contextmanager
def imported() -> Iterator[LedgerFunctions]:
    """Import `function_app.py` as the host does, with the settings of this process."""
    vars(ledger.functions).pop("app", None)
    spec = importlib.util.spec_from_file_location("function_app", HERE / "function_app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (app,) = (one for one in vars(module).values() if isinstance(one, FunctionRegister))
    assert isinstance(app, LedgerFunctions)
    try:
        yield app
    finally:
        vars(ledger.functions).pop("app", None)
        app.startup_task_done = False  # else it starts an event loop of its own when it is forgotten


class Context(func.Context):
    """What the host says of a call."""

    def __init__(self, name: str) -> None:
        self._name = name

    invocation_id = "an-invocation"
    thread_local_storage = trace_context = retry_context = None  # type: ignore[assignment]
    function_directory = str(HERE)

    @property
    def function_name(self) -> str:
        return self._name


class Out(func.Out[bytes]):
    """What a function puts out."""

    def __init__(self) -> None:
        self._value: bytes | None = None

    def set(self, val: bytes) -> None:
        self._value = val

    def get(self) -> bytes | None:  # type: ignore[override]
        return self._value


class Host:
    """The functions of an application, by name."""

    def __init__(self, app: LedgerFunctions) -> None:
        """Index them, as the host does once."""
        self.functions = {str(one.get_function_name()): one for one in app.get_functions()}

    def binding(self, name: str, kind: str) -> dict[str, Any]:
        """Return what a function says of its binding of a kind."""
        (found,) = (
            one
            for one in json.loads(self.functions[name].get_function_json())["bindings"]
            if one["type"] == kind
        )
        binding: dict[str, Any] = found
        return binding

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> func.HttpResponse:
        """Bring a request, and return the answer, which can be sent."""
        told = {
            "method": Datum(method, "string"),
            "url": Datum(f"https://ledger.test{path}", "string"),
            "headers": {name: Datum(value, "string") for name, value in (headers or {}).items()},
            "query": {},
            "params": {},
            "body": Datum(body, "bytes"),
        }
        request = HttpRequestConverter.decode(Datum(told, "http"), trigger_metadata=None)
        answer = await self.functions["http"].get_user_function()(request, Context("http"))
        assert isinstance(answer, func.HttpResponse)
        return answer

    async def tick(self, name: str) -> None:
        """Call a timer's function."""
        told = Datum(json.dumps({"IsPastDue": False, "Schedule": {}, "ScheduleStatus": None}), "json")
        await self.functions[name].get_user_function()(
            TimerRequestConverter.decode(told, trigger_metadata=None)
        )

    async def warm_up(self) -> None:
        """Say that this instance is about to be asked."""
        await self.functions["warmup"].get_user_function()(WarmUpContext())


def sent(answer: func.HttpResponse) -> dict[str, Any]:
    """Return what the host sends of an answer: its cookies are apart from its headers."""
    datum = HttpResponseConverter.encode(answer, expected_type=None)
    value: dict[str, Any] = datum.value
    return value


class Dropbox:
    """The container of batch files, which the host watches."""

    def __init__(self, host: Host, container: ContainerClient) -> None:
        """Watch a container."""
        self._host = host
        self._container = container
        self._brought: set[tuple[str, str]] = set()

    def drop(self, name: str, content: bytes) -> None:
        """Put a file there, or another in its place."""
        self._container.upload_blob(name, content, overwrite=True)

    def result(self, name: str) -> Any:
        """Return the result beside a file."""
        return json.loads(self._container.download_blob(f"{name}.result.json").readall())

    @property
    def names(self) -> list[str]:
        """What lies there."""
        return list(self._container.list_blob_names())

    async def look(self, *, again: bool = False) -> list[str]:
        """Bring every file that is new, or every one `again`; return their names.

        As the host does: where a function raises no result is written, and its file is brought once more.
        """
        if again:
            self._brought.clear()
        brought = []
        for blob in list(self._container.list_blobs()):
            if (blob.name, blob.etag) not in self._brought:
                await self._bring(blob.name)
                self._brought.add((blob.name, blob.etag))
                brought.append(blob.name)
        return brought

    async def _bring(self, name: str) -> None:
        function = "register_batch_file"
        blob = self._container.get_blob_client(name)
        metadata = {
            "BlobTrigger": Datum(f"{self._container.container_name}/{name}", "string"),
            "Uri": Datum(json.dumps(blob.url), "json"),
            "Properties": Datum(json.dumps({"Length": blob.get_blob_properties().size}), "json"),
            "Metadata": Datum("{}", "json"),
        }
        content = Datum(blob.download_blob().readall(), "bytes")
        file = BlobConverter.decode(content, trigger_metadata=metadata)
        out = Out()
        await self._host.functions[function].get_user_function()(file=file, result=out)
        value = out.get()
        if value is None:
            return
        path = self._host.binding(function, "blob")["path"].replace("{name}", name)
        container, _, place = path.partition("/")
        assert container == "%BATCHES_CONTAINER%"
        encoded = BlobConverter.encode(value, expected_type=bytes)
        self._container.upload_blob(place, encoded.value, overwrite=True)
