"""A figure names the commit that it was measured on."""

import subprocess
from pathlib import Path

from benchmarks.surroundings import commit_of


def git(folder: Path, *words: str) -> str:
    named = ("-c", "user.name=test", "-c", "user.email=test@ledger.test", "-c", "commit.gpgsign=false")
    command = ["git", *named, *words]
    ran = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603 - our own words
    return ran.stdout.strip()


def test_a_commit_is_told_apart_from_files_that_differ_but_not_from_what_a_run_writes(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("code.py", "benchmarks/results/row.json", "docs/performance.md")]
    git(tmp_path, "init", "--quiet")
    for file in kept:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("before")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=first")
    commit = git(tmp_path, "rev-parse", "--short=12", "HEAD")
    assert commit_of(tmp_path) == commit
    for file in kept[1:]:
        file.write_text("after")
    assert commit_of(tmp_path) == commit
    kept[0].write_text("after")
    assert commit_of(tmp_path) == f"{commit}+"
