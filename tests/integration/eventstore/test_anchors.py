"""Anchors are written once, found again, never written over: in a folder and in a container of Azure's."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from eventstore.anchors import AnchorConflict, Anchors, AnchorsUnavailable, Folder
from ledger.anchoring import anchors_at, copies_of
from ledger.cli import app as command_line
from ledger.settings import Settings
from tests.support.azurite import container
from tests.support.sealing import write

LOG = "ledger.test/status-ledger/abc"


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with container(tmp_path_factory.mktemp("azurite")) as url:
        yield url


@pytest.fixture(params=["folder", pytest.param("azure", marks=pytest.mark.slow)])
def anchors(request: pytest.FixtureRequest, tmp_path: Path) -> Anchors:
    place = str(tmp_path) if request.param == "folder" else request.getfixturevalue("azurite")
    return anchors_at(place)


def test_anchors_are_found_by_size_and_not_by_when_they_were_written(
    anchors: Anchors, request: pytest.FixtureRequest
) -> None:
    log = f"{LOG}/{request.node.name}"
    sizes = (1, 9, 10, 999, 1_000, 1_001, 999_999, 1_000_000, 12_345_678, 10**12)
    assert anchors.latest(log) is None
    for size in (*sizes[::2], *sizes[1::2]):
        anchors.publish(log, size, f"note of {size}\n")
    anchors.publish(f"{log}x", 10**15, "another log's\n")
    assert anchors.latest(log) == f"note of {10**12}\n"
    assert list(anchors.all(log)) == [f"note of {size}\n" for size in sizes]


def test_the_same_again_does_no_harm_and_another_is_refused(
    anchors: Anchors, request: pytest.FixtureRequest
) -> None:
    log = f"{LOG}/{request.node.name}"
    for _ in range(2):
        anchors.publish(log, 7, "the one — with a dash\n")
    with pytest.raises(AnchorConflict):
        anchors.publish(log, 7, "another\n")
    assert anchors.latest(log) == "the one — with a dash\n"


def test_what_a_crash_left_beside_anchors_is_none(tmp_path: Path) -> None:
    anchors = Folder(tmp_path)
    anchors.publish(LOG, 7, "note\n")
    (written,) = tmp_path.glob("*/*/*")
    (written.parent / "new-of-a-crash").write_text("no")
    assert list(anchors.all(LOG)) == ["note\n"]
    assert anchors.latest(LOG) == "note\n"


def test_an_anchor_and_its_name_are_on_disk_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int | str] = []
    sync, link = os.fsync, os.link

    def note_sync(descriptor: int) -> None:
        done.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def note_link(name: str, place: Path) -> None:
        done.append("named")
        link(name, place)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "link", note_link)
    Folder(tmp_path).publish("log", 7, "note")
    (anchor,) = tmp_path.glob("*/*/*")
    file, *folders = (place.stat().st_ino for place in (anchor, *anchor.parents[:3]))
    assert done == [file, "named", *folders]

    done.clear()
    Folder(tmp_path).publish("log", 7, "note")
    assert done == folders, "another process may have died before it saw to that"


@pytest.mark.slow
def test_anchors_that_are_out_of_reach_are_no_missing_anchors() -> None:
    with_nobody = anchors_at("http://127.0.0.1:9/account/anchors?sig=x")
    with pytest.raises(AnchorsUnavailable):
        with_nobody.latest(LOG)
    with pytest.raises(AnchorsUnavailable):
        with_nobody.publish(LOG, 1, "note\n")


@pytest.mark.slow
def test_a_container_that_may_not_be_entered_is_out_of_reach(azurite: str) -> None:
    shut = anchors_at(f"{azurite.partition('?')[0]}?sig=wrong")
    with pytest.raises(AnchorsUnavailable):
        shut.latest(LOG)


@pytest.mark.slow
def test_a_ledger_is_sealed_into_a_container_and_verified_from_it(
    service_settings: Settings, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del service_settings
    with psycopg.connect(database_url) as connection:
        write(connection, 3)
    runner = CliRunner()
    with container(tmp_path / "azurite") as url:
        monkeypatch.setenv("ANCHORS", url)
        assert "3 of them are public" in runner.invoke(command_line, ["seal"]).stderr
        ((_, note),) = copies_of(url)
        assert note.splitlines()[1] == "3"
        key = runner.invoke(command_line, ["public-key"]).stdout.strip()
        words = ["audit", "verify", "--key", key, "--anchors"]
        told = runner.invoke(command_line, [*words, url])
        assert "anchor" not in told.stdout
        assert "anchor.gone" in runner.invoke(command_line, [*words, str(tmp_path)]).stdout
