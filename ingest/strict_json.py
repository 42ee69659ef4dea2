"""Reads JSON as RFC 8785 means it, and refuses every body that two readers could take differently.

Strict means: UTF-8 without a byte order mark, no duplicate keys, no NaN or infinity, no number beyond
a double's range, no lone surrogates, and at most `MAX_DEPTH` levels of nesting.
"""

import json
import math
import re
from itertools import accumulate
from typing import Any

import orjson

from eventstore.errors import LedgerError

MAX_DEPTH = 32
"""How many objects and lists may lie within each other, the outermost one included."""

MAX_SAFE_INTEGER = 2**53 - 1
"""Up to here, either side of zero, every integer is a double of its own (RFC 7493 §2.2)."""


class NotStrictJson(LedgerError):
    """The body is not strict JSON."""


class Real(float):
    """A number that is more than an integer of 53 bits, as the double that RFC 8785 takes it for.

    A type of its own, so that canonical form can tell it from what needs no care.
    """

    __slots__ = ()


def parse(body: bytes) -> object:
    """Return the value that `body` states; numbers become `int` within ±(2^53 - 1), else `Real`.

    Raises `NotStrictJson`, whose `detail` names the broken rule in ASCII and echoes nothing of the body.
    """
    value = _as_notify_writes_it(body)
    return _with_care(body) if value is None else value


def _as_notify_writes_it(body: bytes) -> object:
    """Return the value of a compact, unescaped, shallow body with small integers alone, else None.

    orjson reads in a fraction of the time, but takes the last of two equal keys. A body that it writes back
    byte for byte held no key twice, nor anything else that one of the rules is about but numbers and depth.
    """
    try:
        value: object = orjson.loads(body)
        return value if orjson.dumps(value) == body and _is_plain(value) else None
    except (ValueError, TypeError):  # what orjson cannot read, or not write: the careful reader says why
        return None


def _is_plain(value: object) -> bool:
    """Tell whether every number is an integer that is a double of its own, and nothing lies too deep.

    Level by level: that takes no recursion, and counts them.
    """
    level: list[Any] = [[value]]
    for _ in range(MAX_DEPTH + 1):
        below = []
        for container in level:
            for inner in container.values() if type(container) is dict else container:
                kind = type(inner)  # exact, and faster here than match
                if kind is str:
                    continue
                if kind is dict or kind is list:
                    below.append(inner)
                elif kind is float or (kind is int and not -MAX_SAFE_INTEGER <= inner <= MAX_SAFE_INTEGER):
                    return False
        if not below:
            return True
        level = below
    return False


def _with_care(body: bytes) -> object:
    if body.startswith(b"\xef\xbb\xbf"):
        raise NotStrictJson("byte order mark")
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
        raise NotStrictJson(f"nesting deeper than {MAX_DEPTH}")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise NotStrictJson(f"not UTF-8 at byte {error.start}") from None
    try:
        value: object = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotStrictJson(f"syntax error at character {error.pos}") from None
    if b"\\" in body:  # UTF-8 itself holds no surrogates, so they can only come from escapes
        _refuse_lone_surrogates(value)
    return value


_TO_NEXT_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"?)*+([\[\]{}]?)', re.DOTALL)
# Skips text between brackets, whole strings included. Possessive, and matching even where a string
# never ends, so that no input is looked at twice.

_STEP = {b"[": 1, b"{": 1, b"]": -1, b"}": -1, b"": 0}


def _depth(body: bytes) -> int:
    """Return how deep brackets outside strings nest, before any recursion starts.

    It asks the bytes, not the decoder: how deep that one gets before it gives up differs between
    versions of Python and with the caller's own stack.
    """
    return max(accumulate(_STEP[bracket] for bracket in _TO_NEXT_BRACKET.findall(body)))


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise NotStrictJson("duplicate key")
    return members


def _integer(digits: str) -> int | Real:
    if len(digits) <= 17:  # a sign and 16 digits; int() itself refuses more than 4,300
        number = int(digits)
        if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
            return number
    return _real(digits)


def _real(digits: str) -> Real:
    number = Real(digits)
    if math.isinf(number):
        raise NotStrictJson("number beyond the range of a double")
    return number


def _constant(_: str) -> object:
    raise NotStrictJson("NaN or Infinity")


def _refuse_lone_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise NotStrictJson("lone surrogate") from None


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
)
