"""What all drawings in the terminal share: how a time is shown, and a stranger's text."""

import json
from datetime import datetime

from ingest.strict_json import NotStrictJson, parse


def shown_time(moment: datetime) -> str:
    """Return a moment to the millisecond, in UTC as all are."""
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"


def shown_body(body: bytes) -> str:
    """Return strict JSON indented and anything else as it is, but for what is escaped."""
    try:
        return json.dumps(parse(body), indent=2).replace("\x7f", r"\u007f")
    except NotStrictJson:
        return escaped(body)


def escaped(text: bytes) -> str:
    r"""Return bytes as printable ASCII, line by line, every other byte as Python writes it: `\x1b`."""
    return "\n".join(repr(line)[2:-1] for line in text.split(b"\n"))
