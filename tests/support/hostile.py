"""Callbacks that nobody should ever send."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

from tests.support.supplier import body, delivered

MEGABYTE = 1024 * 1024

_numbers = count()


def fresh() -> str:
    """Return a key that no other callback has."""
    return f"key-{next(_numbers):08}"  # of one length: Hypothesis draws places in it


def of_item(key: str, old: bytes = b"", new: bytes = b"") -> bytes:
    """Return a callback of which one part is replaced, whatever that makes of it."""
    content = body(delivered(key, key=key, retryCount=1))
    assert content.count(old) == 1 or not old
    return content.replace(old, new) if old else content


def with_value(value: bytes) -> bytes:
    """Return a callback with this JSON in a place that is not read."""
    return of_item(fresh(), b'"retryCount":1', b'"retryCount":1,"unread":' + value)


def hostile_json() -> Iterator[tuple[str, bytes]]:
    """Yield bodies that are no callback, or only just one, by name."""
    plain = of_item(fresh())
    yield "empty", b""
    yield "white space", b" \r\n\t"
    yield "NUL", b"\0"
    yield "byte order mark", b"\xef\xbb\xbf" + plain
    for codec in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7"):
        yield codec, plain.decode().encode(codec)
    yield "latin-1", plain.replace(b"sms", b"\xe9")
    yield "overlong UTF-8", plain.replace(b"sms", b"\xc0\xae")
    yield "CESU-8", plain.replace(b"sms", b"\xed\xa0\xbd\xed\xb8\x80")
    yield "form", b"data=1&data=2"
    yield "XML", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"
    yield "two documents", plain + plain
    yield "a tail", plain + b"\0"
    yield "cut", plain[:-1]
    yield "comment", b"/**/" + plain
    yield "trailing comma", plain.replace(b"}]}", b"},]}")
    yield "single quotes", plain.replace(b'"', b"'")
    for word in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 5_000, b"1" + b"0" * 400):
        yield f"number {word[:9].decode()}", with_value(word)
    for word in (b"1e-999", b"-0", b"0.1e1", b"9007199254740993", b"9" * 300):
        yield f"odd number {word[:9].decode()}", with_value(word)
    for word in (b"01", b"+1", b".5", b"1.", b"0x1", b"1_0", b"True", b"undefined", b"'a'", b"\xef\xbc\x91"):
        yield f"no value {word.decode()}", with_value(word)
    for escapes in (rb"\ud800", rb"\udc00\ud800", rb"\ud83d", rb"\u0000", rb"\x41", rb"\u12", rb"\U00000041"):
        yield f"escape {escapes.decode()}", with_value(b'"' + escapes + b'"')
        yield (
            f"escape {escapes.decode()} in an id",
            of_item("k", b'"messageId":"k', b'"messageId":"' + escapes),
        )
    for control in (b"\0", b"\n", b"\x1b[2J", b"\x7f", b"\xe2\x80\xae"):
        yield f"control {control!r} in a status", plain.replace(b'"sms"', b'"' + control + b'"')
    yield "duplicate key", of_item(fresh(), b'"retryCount":1', b'"retryCount":1,"retryCount":1')
    yield (
        "duplicate key by escape",
        of_item(fresh(), b'"retryCount":1', rb'"retryCount":1,"retry\u0043ount":1'),
    )
    yield "duplicate data", b'{"data":[],' + plain[1:]
    for name, value in (("__proto__", {"admin": True}), ("constructor", {"prototype": {}}), ("$ref", "#/")):
        yield name, with_value(json.dumps({name: value}).encode())
    for many in (33, 1_000, 100_000):
        yield f"lists {many} deep", with_value(b"[" * many + b"]" * many)
        yield f"objects {many} deep", with_value(b'{"a":' * many + b"1" + b"}" * many)
        yield f"{many} lists that do not end", b"[" * many
        yield f"{many} objects that do not end", b'{"a":' * many
    yield "10 MB of text", with_value(b'"' + b"a" * 10 * MEGABYTE + b'"')
    yield "10 MB of lists", with_value(b"[" + b"[]," * 3 * MEGABYTE + b"[]]")
    yield "text up to the limit", with_value(b'"' + b"a" * (MEGABYTE - 1_000) + b'"')
    yield "text without its end", with_value(b'"' + b"\\" * (MEGABYTE - 1_000))
    yield "50,000 keys", with_value(json.dumps({f"key{number}": 1 for number in range(50_000)}).encode())
    yield "50,000 numbers", with_value(b"[" + b"1.5," * 50_000 + b"1]")
    yield "quotes alone", b'"' * 500_000
    yield "too many items", body(*(delivered(key="many") for _ in range(1_001)))
    yield "no items", b'{"data":[]}'


FIELDS = """
messageId messageReference messageStatus channel channelStatus supplierStatus timestamp cascadeType
cascadeOrder retryCount messageStatusDescription channelFailureReasonCode
""".split()


def wrong_types() -> Iterator[tuple[str, bytes]]:
    """Yield callbacks with a value of another type, or out of its range, in each place of an item."""
    values: tuple[Any, ...] = (
        None,
        True,
        0,
        -1,
        1.5,
        2**31,
        2**63,
        "",
        "\0",
        " ",
        "x" * 300,
        [],
        {},
        [{}],
        {"": 1},
    )
    for value in values:
        for data in (value, [value], [delivered(), value]):
            yield f"data {data!r:.40}", json.dumps({"data": data}).encode()
        yield f"all {value!r:.40}", json.dumps(value).encode()
        for field in ("type", "attributes", "meta"):
            yield f"{field} {value!r:.40}", body({**delivered(key=fresh()), field: value})
        yield f"key {value!r:.40}", body({**delivered(), "meta": {"idempotencyKey": value}})
        for field in FIELDS:
            one = delivered(key=fresh(), messageStatus="sending")
            one["attributes"][field] = value
            yield f"{field} {value!r:.40}", body(one)


TIMES = """
0000-00-00T00:00:00Z 0001-01-01T00:00:00Z 0001-01-01T00:00:00+23:59 9999-12-31T23:59:59.999999Z
9999-12-31T23:59:59-23:59 10000-01-01T00:00:00Z -0001-01-01T00:00:00Z 2026-02-29T00:00:00Z
2026-11-23T24:00:00Z 2026-11-23T23:59:60Z 2026-11-23T09:15:01+24:00 2026-11-23T09:15:01+99:99
2026-11-23T09:15:01 2026-11-23 infinity -infinity now epoch 1700000000 1970-01-01T00:00:00Z
4714-11-24T00:00:00Z 294277-01-01T00:00:00Z \uff12026-11-23T09:15:01Z 2026-11-23T09:15:01.Z
""".split()


def callbacks() -> Iterator[tuple[str, bytes]]:
    yield from hostile_json()
    yield from wrong_types()
    for told in (*TIMES, f"2026-11-23T09:15:01.{'9' * 10_000}Z"):
        yield f"time {told:.40}", body(delivered(key=fresh(), timestamp=told))
