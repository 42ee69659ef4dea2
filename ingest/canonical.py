"""Gives items their identity: hashes of the one canonical form (RFC 8785) that equal items share.

Two deliveries of one item may differ in key order and white space; their canonical forms do not.
"""

from collections.abc import Mapping
from hashlib import sha256
from struct import Struct
from typing import Any

import orjson
import rfc8785

_HEAD = Struct(">q").unpack_from


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 form of a value that `strict_json.parse` gave.

    orjson writes that form many times faster than rfc8785, with two exceptions:
    it refuses a `Real`, whose digits RFC 8785 lays down; and it sorts keys by code point, where
    RFC 8785 sorts by UTF-16 unit: another order only where a character outside the BMP occurs.
    """
    try:
        form = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return rfc8785.dumps(value)
    if not form.isascii() and _leaves_bmp(form):
        return rfc8785.dumps(value)
    return form


def _leaves_bmp(text: bytes) -> bool:
    """Tell whether UTF-8 text has a character of four bytes, by the only five that can begin one.

    Five plain searches, each for a number, take a tenth of the time of one regular expression.
    """
    return 0xF0 in text or 0xF1 in text or 0xF2 in text or 0xF3 in text or 0xF4 in text


def digest(item: Mapping[str, Any]) -> bytes:
    """Return the 32 bytes that, with its idempotency key, identify the event that an item states.

    SHA-256 of the item in canonical form, `attributes.metadata` left out, type and timestamp included.
    `item["attributes"]` must be an object.
    """
    return sha256(canonical(_without(item, "metadata"))).digest()


def content_hash(item: Mapping[str, Any]) -> int:
    """Return what two events of one idempotency key share unless they conflict: a signed 64-bit integer.

    The first 8 bytes, big-endian, of the SHA-256 of the item without `attributes.metadata` and
    `attributes.timestamp`: Notify's key hashes the content without the timestamp, so the same key with
    another timestamp is no conflict.
    """
    return _head(canonical(_without(item, "metadata", "timestamp")))


def hashes(item: Mapping[str, Any]) -> tuple[bytes, int]:
    """Return `digest` and `content_hash` of an item, mostly by one canonical form (4.6 µs of 5.9)."""
    form = canonical(_without(item, "metadata"))
    untimed = _without_timestamp(form, item["attributes"].get("timestamp"))
    return sha256(form).digest(), content_hash(item) if untimed is None else _head(untimed)


def _without_timestamp(form: bytes, timestamp: object) -> bytes | None:
    """Return a canonical form without `attributes.timestamp`, None where it is not told apart at a glance.

    A quotation mark within a text is escaped, so `"timestamp":` ends a key, and after a comma is the whole
    of it. Where that occurs once, it is the one of `attributes`.
    """
    if type(timestamp) is not str or form.count(b'"timestamp":') != 1:
        return None
    before, found, after = form.partition(b',"timestamp":"%b"' % timestamp.encode())
    return before + after if found else None


def _head(form: bytes) -> int:
    head: tuple[int] = _HEAD(sha256(form).digest())
    return head[0]


def _without(item: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    if item["attributes"].keys().isdisjoint(names):
        return item
    attributes = dict(item["attributes"])
    for name in names:
        attributes.pop(name, None)
    return {**item, "attributes": attributes}
