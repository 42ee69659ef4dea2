"""The service on Azure Functions: every route by HTTP, sealer and alarms by timers, batch files, a warm-up.

`infra/functions/function_app.py` hands `app` to the Functions host, which looks for it there. Terraform names
the functions that must not run in a staging slot (`infra/terraform/core/settings.tf`).
"""

from typing import Any

import azure.functions as func

from ingest.quarantine import Caps
from ledger.alarms import raise_alarms
from ledger.app import create_app
from ledger.batch_files import RESULT, is_result, register_file
from ledger.on_demand import OnDemand
from ledger.settings import Settings
from ledger.telemetry.vitals import Watch

SEAL_AT = "*/5 * * * * *"
"""Every five seconds: what was recorded is public that soon."""

LOOK_AT = "0 * * * * *"
"""Every minute."""

STORE = "AzureWebJobsStorage"
"""The connection to the host's own store, where the container of batch files is too."""

BATCHES = "%BATCHES_CONTAINER%/{name}"
"""Every file of the container, in folders too; the host puts in the setting."""


class LedgerFunctions(func.AsgiFunctionApp):
    """The functions of one service; nothing is opened before one of them runs."""

    def __init__(self, settings: Settings) -> None:
        """Define the functions of a service with these settings."""
        web = create_app(settings)
        self.on_demand = OnDemand(web)
        self.ledger = web.ledger
        # Anybody may call: the routes ask for keys of their own.
        super().__init__(self.on_demand, func.AuthLevel.ANONYMOUS, function_name="http")
        self._warm_up()
        self._seal()
        self._alarms()
        self._register_batch_files()

    def _warm_up(self) -> None:
        @self.function_name("warmup")  # by which the host knows it
        @self.warm_up_trigger("warmup")
        async def warmup(warmup: Any) -> None:
            await self.on_demand.open()

    def _seal(self) -> None:
        @self.function_name("seal")
        @self.timer_trigger("timer", SEAL_AT, run_on_startup=False, use_monitor=False)
        async def seal(timer: func.TimerRequest) -> None:
            await self.on_demand.open()
            await self.ledger.seal()

    def _alarms(self) -> None:
        watch = Watch(lambda: self.ledger.database)
        settings = self.ledger.settings
        caps = Caps(settings.quarantine_max_requests, settings.quarantine_max_bytes)

        @self.function_name("alarms")
        @self.timer_trigger("timer", LOOK_AT, run_on_startup=False, use_monitor=False)
        async def alarms(timer: func.TimerRequest) -> None:
            await self.on_demand.open()
            await watch.look(fresh=0)
            raise_alarms(watch.vitals, caps)

    def _register_batch_files(self) -> None:
        @self.function_name("register_batch_file")
        @self.blob_trigger("file", BATCHES, STORE)
        @self.blob_output("result", f"{BATCHES}{RESULT}", STORE)
        async def register_batch_file(file: func.InputStream, result: func.Out[bytes]) -> None:
            name = (file.name or "").partition("/")[2]  # without the container
            if is_result(name):
                return
            await self.on_demand.open()
            result.set(await register_file(self.ledger, name, file.read()))


def __getattr__(name: str) -> LedgerFunctions:
    """Make `app` of the settings of this process when it is first asked for; raises `SettingsInvalid`."""
    if name != "app":
        raise AttributeError(name)
    made = globals()[name] = LedgerFunctions(Settings.load())
    return made
