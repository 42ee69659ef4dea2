"""Azurite, Microsoft's stand-in for Azure's storage, as a process of the test's own."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

ACCOUNT = "stledgertest"


@contextmanager
def container(folder: Path, name: str = "anchors", *, writes: bool = False) -> Iterator[str]:
    """Run Azurite, and yield the address of an empty container, signed to read, create and list, or all."""
    command = shutil.which("azurite-blob")
    if command is None:
        if os.environ.get("CI"):
            pytest.fail("azurite-blob is not installed")
        pytest.skip("azurite-blob is not installed: npm install --global azurite")
    may = ContainerSasPermissions(read=True, create=True, list=True, write=writes, delete=writes)
    key = b64encode(secrets.token_bytes(32)).decode()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    told = [command, "--blobPort", str(port), "--location", str(folder), "--silent", "--skipApiVersionCheck"]
    environment = os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
    with subprocess.Popen([*told, "--disableTelemetry"], env=environment) as process:  # noqa: S603
        try:
            _wait_for(port)
            url = f"http://127.0.0.1:{port}/{ACCOUNT}/{name}"
            with ContainerClient.from_container_url(
                url, {"account_name": ACCOUNT, "account_key": key}
            ) as made:
                made.create_container()
            signature = generate_container_sas(
                ACCOUNT,
                name,
                account_key=key,
                permission=may,
                expiry=datetime.now(UTC) + timedelta(hours=1),
            )
            yield f"{url}?{signature}"
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    for _ in range(1200):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError("Azurite did not come up")
