"""`audit …`: prove entries, check proofs offline, and recompute the whole ledger."""

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from eventstore.errors import LedgerError
from ledger.audit.bundles import Bundle, read_anchors
from ledger.audit.findings import Erased, Finding
from ledger.audit.notes import Key, NotProven, read_key
from ledger.audit.proofs import verify_proof
from ledger.audit.verify import verify as verify_bundle
from ledger.commands.progress import progress_bars
from ledger.commands.terminal import err, plain_errors, tell_error

if TYPE_CHECKING:
    from eventstore.accesses import Access

app = typer.Typer(
    name="audit",
    help="Prove entries, check proofs, and recompute the whole ledger.",
    no_args_is_help=True,
)

Keys = Annotated[
    list[str], typer.Option("--key", help="The public key, or a file that has it; again for each older one.")
]


class NotPublic(LedgerError):
    """The entry is in no published checkpoint."""


@app.command()
def proof(entry_id: Annotated[UUID, typer.Argument(help="The id of the entry.")]) -> None:
    """Print the proof that an entry stands in the public ledger: one text, to be checked offline."""
    from eventstore.proofs import proof_of  # noqa: PLC0415 - what checks proofs loads nothing of what makes them
    from ledger.commands.opened import opened_database  # noqa: PLC0415

    async def made() -> str | None:
        access = _access("audit proof", str(entry_id))
        async with opened_database(access=access) as database, database.snapshot() as connection:
            return await proof_of(connection, entry_id)

    with plain_errors():
        text = asyncio.run(made())
        if text is None:
            raise NotPublic(str(entry_id))
    typer.echo(text, nl=False)


@app.command("verify-proof")
def check_proof(
    file: Annotated[typer.FileText, typer.Argument(help="The proof, `-` for standard input.")], key: Keys
) -> None:
    """Check a proof offline, by the file and the public key alone; exit 1 if it proves nothing."""
    with _plain():
        proven = verify_proof(file.read(), _keys(key))
    head = proven.head
    err.print(
        f"Proven: entry {proven.entry['entry_id']} is number {proven.place} of {head.origin},", style="green"
    )
    err.print(f"whose {head.size:,} entries were signed at {head.signed_at.isoformat()}.", highlight=False)
    if proven.body is None:
        err.print("It was erased: what it said is not shown, and cannot be.")


@app.command("export-bundle")
def export_bundle(
    folder: Annotated[Path, typer.Argument(help="An empty folder, or one to be made.")],
) -> None:
    """Write all that the ledger says of itself to files, at one moment, beside a running service."""
    with plain_errors():
        _export(folder, "audit export-bundle")


@app.command()
def verify(
    key: Keys,
    anchors: Annotated[
        str, typer.Option(help="The folder of the anchors, or the address of their container in Azure.")
    ],
    bundle: Annotated[
        Path | None, typer.Option(help="A bundle; without it, the ledger's database is read.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each finding as a line of JSON.")] = False,
) -> None:
    """Recompute bodies, leaves, tiles, roots, signatures and events, and name exactly what is wrong.

    With the database also the read model. Exits 1 on any finding; an erased entry is told, and is none.
    """
    # Before the bundle: an anchor that comes meanwhile would be of entries that the bundle lacks.
    with _plain(), plain_errors():
        known = _anchors(anchors)
        keys = _keys(key)
        if bundle is not None:
            findings = _tell(_checked(bundle, known, keys), as_json)
        else:
            with tempfile.TemporaryDirectory(prefix="status-ledger-") as folder:
                _export(Path(folder), "audit verify")
                findings = _tell(_checked(Path(folder), known, keys), as_json)
            findings += _tell(_read_model(), as_json)
    if not findings:
        err.print("The ledger is what was sealed.", style="green")
    raise typer.Exit(1 if findings else 0)


def _access(command: str, subject: str | None = None) -> "Access":
    """Return the look that a command is about to take, for the log of who looked."""
    from eventstore.accesses import Access  # noqa: PLC0415
    from ledger.commands.operator import operator  # noqa: PLC0415

    return Access(operator(None), command, subject)


def _export(folder: Path, command: str) -> None:
    from ledger.bundling import export  # noqa: PLC0415 - what checks a bundle loads nothing of what makes it
    from ledger.commands.opened import opened_database  # noqa: PLC0415

    async def exported() -> None:
        async with opened_database(access=_access(command)) as database:
            with progress_bars() as begin:
                advance: list[Callable[[int], None]] = []

                def progress(more: int) -> None:
                    advance[0](more)

                await export(
                    database,
                    folder,
                    begun=lambda entries: advance.append(begin("Reading", entries)),
                    progress=progress,
                )

    asyncio.run(exported())


def _checked(folder: Path, anchors: list[tuple[str, str]], keys: list[Key]) -> Iterator[Finding | Erased]:
    bundle = Bundle(folder)
    with progress_bars() as begin:
        advance = begin("Checking", bundle.header["entries"])
        yield from verify_bundle(bundle, anchors, keys, progress=advance)


def _read_model() -> Iterator[Finding]:
    """Fold the ledger again, and tell each row of the read model that differs."""
    from ledger.commands.projections import connected  # noqa: PLC0415
    from projections.projection import PROJECTIONS  # noqa: PLC0415
    from projections.verify import verify as verify_read_model  # noqa: PLC0415

    with connected(migrating=False) as connection:
        for one in verify_read_model(connection, PROJECTIONS):
            where = f"{one.table}, {', '.join(map(str, one.key.values()))}"
            yield Finding("status.differs", where, f"{one.kind}: {', '.join(one.columns)}")


def _tell(found: Iterator[Finding | Erased], as_json: bool) -> int:
    findings = 0
    for one in found:
        findings += isinstance(one, Finding)
        if as_json:
            typer.echo(json.dumps({"kind": type(one).__name__.lower(), **one._asdict()}))
        elif isinstance(one, Finding):
            typer.echo(f"{one.what}: {one.where}: {one.told}")
        else:
            typer.echo(
                f"erased: entry {one.entry_id}: commitment intact, not re-derivable; see {one.erasure}"
            )
    return findings


def _anchors(place: str) -> list[tuple[str, str]]:
    """Return the name and the text of every anchor in a folder or a container."""
    from ledger.anchoring import copies_of, is_url  # noqa: PLC0415

    if is_url(place):
        return list(copies_of(place))
    if not Path(place).is_dir():
        raise typer.BadParameter(f"{place}: no such folder", param_hint="--anchors")
    return list(read_anchors(Path(place)))


def _keys(texts: list[str]) -> list[Key]:
    """Return the keys, each given as text or as the name of a file that has it."""
    read = []
    for text in texts:
        given = text
        with suppress(OSError):
            given = Path(text).read_text(encoding="utf-8")
        read.append(read_key(given))
    return read


@contextmanager
def _plain() -> Iterator[None]:
    try:
        yield
    except NotProven as error:
        tell_error(f"status-ledger: not proven: {error}")
        raise typer.Exit(1) from None
