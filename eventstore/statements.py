"""Loads fixed SQL: one statement a file, beside the package that runs it."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

_PARAMETER = re.compile(r"%\((\w+)\)[bs]")


@cache
def statement(package: str, name: str) -> str:
    """Return the text of `sql/<name>.sql` in `package`; it is read once."""
    return (files(package) / "sql" / f"{name}.sql").read_text(encoding="utf-8")


class Numbered:
    """A statement whose named parameters are numbered once, as PostgreSQL itself has them.

    psycopg would parse the text anew at each run, which for a long one costs more than to send it.
    """

    def __init__(self, text: str) -> None:
        """Take a statement with `%(name)s` parameters and no other percent sign."""
        self.names = tuple(dict.fromkeys(_PARAMETER.findall(text)))
        self.text = _PARAMETER.sub(lambda found: f"${self.names.index(found[1]) + 1}", text).encode()

    def arguments(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Return the values of the parameters in the order of their numbers."""
        return [parameters[name] for name in self.names]
