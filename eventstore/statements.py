"""Loads fixed SQL: one statement a file, beside the package that runs it."""

from functools import cache
from importlib.resources import files


@cache
def statement(package: str, name: str) -> str:
    """Return the text of `sql/<name>.sql` in `package`; it is read once."""
    return (files(package) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
