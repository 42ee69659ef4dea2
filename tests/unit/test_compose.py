"""`compose.yaml` and `.env.example` describe one database: who copies both can start at once."""

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def services() -> dict[str, Any]:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    services: dict[str, Any] = compose["services"]
    return services


@pytest.fixture
def database_url() -> SplitResult:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    return urlsplit(settings["DATABASE_URL"])


def tag(image: str) -> str:
    """Return the tag of an image's name, or "" where it has none (a registry's port is no tag)."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def test_the_database_has_the_user_password_and_name_of_the_example_url(
    services: dict[str, Any], database_url: SplitResult
) -> None:
    environment = services["db"]["environment"]

    assert environment["POSTGRES_USER"] == database_url.username
    assert environment["POSTGRES_PASSWORD"] == database_url.password
    assert environment["POSTGRES_DB"] == database_url.path.removeprefix("/")


def test_the_database_is_published_on_the_port_of_the_example_url_to_this_machine_alone(
    services: dict[str, Any], database_url: SplitResult
) -> None:
    [port] = services["db"]["ports"]
    address, published, inside = port.split(":")

    assert database_url.hostname == "localhost"
    assert address == "127.0.0.1"
    assert int(published) == database_url.port
    assert inside == "5432"


def test_every_image_has_a_tag_that_is_not_latest(services: dict[str, Any]) -> None:
    images = [service["image"] for service in services.values() if "image" in service]

    assert images
    assert [image for image in images if tag(image) in {"", "latest"}] == []


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("postgres", ""),
        ("postgres:latest", "latest"),
        ("postgres:18.6", "18.6"),
        ("registry.example:5000/postgres", ""),
        ("registry.example:5000/postgres:18.6@sha256:00", "18.6"),
    ],
)
def test_a_tag_is_told_from_a_port_and_a_digest(image: str, expected: str) -> None:
    assert tag(image) == expected
