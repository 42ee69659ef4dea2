"""The Dockerfile's steps, rehearsed in a clean folder, make a service that runs from there."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.image import Image
from tests.support.processes import wait_until
from tests.support.service import ENVIRONMENT, free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the Dockerfile names Python 3.11's folders"),
]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    made = Image(tmp_path_factory.mktemp("image"))
    for stage in ("styles", "build", "service", "functions"):
        made.rehearse(stage)
    return made


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    """What the container is told, and no way to this repository."""
    return ENVIRONMENT | {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "ANCHORS": str(tmp_path / "anchors"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SEAL_EVERY": "0",
    }


def test_the_service_migrates_serves_and_has_its_styles(
    image: Image, environment: dict[str, str], tmp_path: Path
) -> None:
    command = image.path("/opt/ledger/bin/status-ledger")
    subprocess.run([command, "migrate"], cwd=tmp_path, env=environment, check=True)  # noqa: S603
    port = free_port()
    with subprocess.Popen(  # noqa: S603
        [command, "serve", "--port", str(port)], cwd=tmp_path, env=environment
    ) as service:
        try:
            wait_until(lambda: health(command, port, environment) == 0)
            page = httpx.get(f"http://127.0.0.1:{port}/audit/sign-in").text
            assert "nhsuk-frontend" in page
        finally:
            service.terminate()


def health(command: str, port: int, environment: dict[str, str]) -> int:
    asked = [command, "health", "--url", f"http://127.0.0.1:{port}"]
    return subprocess.run(asked, env=environment, check=False).returncode  # noqa: S603


def test_the_functions_are_found_where_the_host_looks(image: Image, environment: dict[str, str]) -> None:
    root = Path(image.path("/home/site/wwwroot"))
    packages = root / ".python_packages" / "lib" / "site-packages"
    code = (
        "import function_app as one; print(*sorted(f.get_function_name() for f in one.app.get_functions()))"
    )
    told = subprocess.run(  # noqa: S603
        [
            Path(sys.base_prefix) / "bin" / "python3",
            "-I",
            "-c",
            f"import sys; sys.path[:0] = [{str(root)!r}, {str(packages)!r}]; {code}",
        ],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == ["alarms", "http", "register_batch_file", "seal", "warmup"]


def test_nothing_that_only_builds_is_left(image: Image) -> None:
    left = {path.name for path in Path(image.path("/opt/ledger/bin")).iterdir()}
    assert "status-ledger" in left
    assert not {one for one in left if one.startswith("pip")}
