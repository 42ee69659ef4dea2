"""Reads the Terraform provider's schema out of its jsii assembly, as `cdktf-cdktf-provider-azurerm` ships it.

The assembly names every argument with its type and whether it is required, every nested block, and every
attribute that can be read. It does not say which values an argument allows, which arguments exclude each other,
nor whether a block is a list or a set.
"""

import json
import re
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

_LINK = re.compile(r"docs/(resources|data-sources)/(\w+) (azurerm_\w+)\}")
_NAME = re.compile(r"#(\w+) \w+#\1\}")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PRIMITIVES = {"string": "string", "number": "number", "boolean": "bool"}
_NOT_ARGUMENTS = {"connection", "count", "dependsOn", "forEach", "lifecycle", "provider", "provisioners"}


class Assembly(NamedTuple):
    """What a release of the package holds."""

    provider_version: str
    types: dict[str, Any]


def provider_schema() -> dict[str, Any]:
    """Return the schema of the installed package, read once and then kept beside it."""
    version = distribution("cdktf-cdktf-provider-azurerm").version
    kept = Path(sys.prefix) / f"azurerm-schema-{version}.json"
    if not kept.exists():
        kept.write_text(json.dumps(schema_of(read_assembly())))
    schema: dict[str, Any] = json.loads(kept.read_text())
    return schema


def read_assembly() -> Assembly:
    """Return the assembly that the installed `cdktf-cdktf-provider-azurerm` carries."""
    package = find_spec("cdktf_cdktf_provider_azurerm")  # not imported: that would need Node.js
    (folder,) = package.submodule_search_locations  # type: ignore[union-attr, misc]
    (archive,) = Path(folder, "_jsii").glob("*.jsii.tgz")
    with tarfile.open(archive) as members:
        told = json.load(members.extractfile("package/package.json"))  # type: ignore[arg-type]
        assembly = json.load(members.extractfile("package/.jsii"))  # type: ignore[arg-type]
    return Assembly(told["cdktf"]["provider"]["version"], assembly["types"])


def schema_of(assembly: Assembly) -> dict[str, Any]:
    """Return the provider's schema: its own block, its resources and its data sources, by their names."""
    types = assembly.types
    schema: dict[str, Any] = {"version": assembly.provider_version, "resources": {}, "data_sources": {}}
    for one in types.values():
        base = one.get("base")
        if base == "cdktf.TerraformProvider":
            schema["provider"] = _block(types, one["fqn"] + "Config", None)
        elif base in {"cdktf.TerraformResource", "cdktf.TerraformDataSource"}:
            kind, _, name = _LINK.search(one["docs"]["summary"]).groups()  # type: ignore[union-attr]
            place = "resources" if kind == "resources" else "data_sources"
            schema[place][name] = _block(types, one["fqn"] + "Config", one["fqn"])
    return schema


def _block(types: dict[str, Any], struct: str, reader: str | None) -> dict[str, Any]:
    """Return what a block may hold: its arguments from `struct`, what else can be read from the class `reader`."""
    attributes: dict[str, Any] = {}
    blocks: dict[str, Any] = {}
    for argument in _properties(types, struct):
        if argument["name"] in _NOT_ARGUMENTS:
            continue
        name, required = _snake(argument), not argument.get("optional", False)
        nested, single = _nested(types, argument["type"])
        if nested is None:
            attributes[name] = {"type": _type(argument["type"]), "required": required}
        else:
            inner = _block(types, nested, _reader_of(types, nested))
            blocks[name] = {"block": inner, "required": required, "single": single}
    known = {_plain(name) for name in (*attributes, *blocks)}
    for attribute in _properties(types, reader) if reader else ():
        name = _WORDS.sub("_", attribute["name"]).lower()
        if _readable(attribute) and _plain(name) not in known:
            read = _read_type(types, attribute["type"])
            if read is not None:
                attributes[name] = {"type": read, "computed": True}
    return {"attributes": attributes, "blocks": blocks}


def _properties(types: dict[str, Any], fqn: str) -> Iterator[dict[str, Any]]:
    yield from types.get(fqn, {}).get("properties", ())


def _readable(attribute: dict[str, Any]) -> bool:
    name = attribute["name"]
    return (
        attribute.get("immutable", False)
        and not attribute.get("static", False)
        and not name.endswith("Input")
        and name not in {"internalValue", "fqn"}
    )


def _snake(argument: dict[str, Any]) -> str:
    docs = argument.get("docs", {})
    told = _NAME.search(docs.get("remarks", "")) or _NAME.search(docs.get("summary", ""))
    return told.group(1) if told else _WORDS.sub("_", argument["name"]).lower()


def _plain(name: str) -> str:
    return name.replace("_", "")


def _nested(types: dict[str, Any], written: dict[str, Any]) -> tuple[str | None, bool]:
    """Return the struct that an argument's type names, None where it is no block, and whether it stands once."""
    for option in written.get("union", {}).get("types", [written]):
        if option.get("fqn") in types:
            return option["fqn"], True
        element = option.get("collection", {}).get("elementtype", {})
        for inner in element.get("union", {}).get("types", [element]):
            if inner.get("fqn") in types:
                return inner["fqn"], False
    return None, False


def _reader_of(types: dict[str, Any], struct: str) -> str | None:
    reader = f"{struct}OutputReference"
    return reader if reader in types else None


def _type(written: dict[str, Any]) -> Any:
    """Return a type as Terraform writes it in JSON: `"string"`, `["list", "string"]`, …"""
    for option in written.get("union", {}).get("types", [written]):
        if "primitive" in option:
            return _PRIMITIVES.get(option["primitive"], "dynamic")
        if "collection" in option:
            kind = "list" if option["collection"]["kind"] == "array" else "map"
            return [kind, _type(option["collection"]["elementtype"])]
        if option.get("fqn", "").startswith("cdktf.") and "Map" in option["fqn"]:
            return ["map", "bool" if "Boolean" in option["fqn"] else "string"]
    return "string"


def _read_type(types: dict[str, Any], written: dict[str, Any]) -> Any:
    """Return the type of an attribute that can only be read; None for what only the language's binding has."""
    fqn = written.get("fqn", "")
    if fqn.startswith("cdktf."):
        return ["map", "string"] if "Map" in fqn else None
    if fqn not in types:
        return _type(written)
    reader = fqn if fqn.endswith("OutputReference") else f"{fqn.removesuffix('List')}OutputReference"
    fields = {
        _WORDS.sub("_", field["name"]).lower(): _read_type(types, field["type"])
        for field in _properties(types, reader)
        if _readable(field)
    }
    return ["list", ["object", {name: kind for name, kind in fields.items() if kind is not None}]]
