"""The styles and scripts of the pages: NHS.UK frontend as npm fetched it, and a sheet of our own.

Each file is served under a name that holds a hash of its content, so that a browser may keep it for ever.
Nothing in them asks another host for anything: the NHS's fonts, which lie elsewhere, are left out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

PREFIX = "/audit/assets/"

FETCHED = Path(__file__).parents[2] / "node_modules" / "nhsuk-frontend" / "dist" / "nhsuk"
"""Where `make styles` leaves NHS.UK frontend."""

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}")
_SOURCE_MAP = re.compile(r"(?:/\*|//)# sourceMappingURL=\S+(?:\s*\*/)?\s*$")
_IMAGE = re.compile(r"url\(/assets/images/([a-z0-9-]+\.svg)\)")

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    name: str
    """What it was called, with a hash of its content."""
    content: bytes
    media_type: str

    @property
    def path(self) -> str:
        """Where it is served."""
        return PREFIX + self.name


@dataclass(frozen=True, slots=True)
class Styles:
    """What the pages look like. Without `frontend` they are plain HTML."""

    assets: Mapping[str, Asset]
    """By the name under which each is served."""
    sheet: str
    """The path of our own sheet."""
    frontend: str | None
    """The path of NHS.UK frontend's sheet; None where it was not fetched."""
    script: str | None
    """The path of its script, without which everything works too."""
    icon: str | None


def read_styles(fetched: Path = FETCHED) -> Styles:
    """Return the styles; what npm did not fetch is missing, and no error."""
    assets: dict[str, Asset] = {}

    def served(name: str, content: bytes) -> str:
        stem, suffix = Path(name).stem, Path(name).suffix
        asset = Asset(f"{stem}.{sha256(content).hexdigest()[:16]}{suffix}", content, _TYPES[suffix])
        assets[asset.name] = asset
        return asset.path

    sheet = served("ledger.css", (Path(__file__).parent / "ledger.css").read_bytes())
    try:
        css = (fetched / "nhsuk-frontend.min.css").read_text(encoding="utf-8")
        script = (fetched / "nhsuk-frontend.min.js").read_text(encoding="utf-8")
        images = {path.name: path.read_bytes() for path in (fetched / "assets" / "images").glob("*.svg")}
    except FileNotFoundError:
        return Styles(assets, sheet, None, None, None)
    paths = {name: served(name, content) for name, content in images.items()}
    css = _IMAGE.sub(lambda found: f"url({paths[found[1]]})", without_requests(css))
    return Styles(
        assets,
        sheet,
        served("nhsuk-frontend.css", css.encode()),
        served("nhsuk-frontend.js", _SOURCE_MAP.sub("", script).encode()),
        paths["favicon.svg"],
    )


def without_requests(css: str) -> str:
    """Return a sheet without fonts of another host, and without the address of a source map."""
    return _SOURCE_MAP.sub("", _FONT_FACE.sub("", css))
