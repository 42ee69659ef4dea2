"""What documents and code point to is there: files, and headings within them."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/*.md")) + sorted(ROOT.glob("benchmarks/*.md"))
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")
NAMED = re.compile(r"\bdocs/[a-z-]+\.md\b")


def headings(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as they are made of their words."""
    titles = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(document: Path) -> Iterator[str]:
    """Yield the links of a document to files or headings that are not there; other hosts' are not asked."""
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target, heading in LINK.findall(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        file = document.parent / target if target else document
        if not file.exists() or (heading and file.suffix == ".md" and heading not in headings(file)):
            yield f"{target}#{heading}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_document_s_links_lead_somewhere(document: Path) -> None:
    assert list(broken_links(document)) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A heading, told\n")
    document = tmp_path / "document.md"
    document.write_text(
        "[a](there.md) [b](there.md#a-heading-told) [c](gone.md) [d](there.md#gone) [e](#gone)"
    )
    assert list(broken_links(document)) == ["gone.md#", "there.md#gone", "#gone"]


def test_every_document_that_a_file_names_is_there() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    named = {
        (name, path)
        for path in listed.stdout.splitlines()
        if Path(path).suffix in {".py", ".tf", ".tfvars", ".yaml", ".sql", ".md", ".json", ""}
        and (ROOT / path).is_file()
        for name in NAMED.findall((ROOT / path).read_text(encoding="utf-8", errors="replace"))
    }
    assert named
    assert sorted((name, path) for name, path in named if not (ROOT / name).exists()) == []
