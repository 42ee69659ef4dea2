"""How the service and its registering process speak: frames, four bytes of length and as many of content.

The process is told once what it works with, and then for each batch

    service → process   the order: the database's URL, sender, form; the body in pieces; an empty frame:
                        the body is complete
    process → service   the outcome

Whoever sees the other's end before that drops what was begun: nothing was done of it yet.
"""

from asyncio import StreamReader
from struct import Struct
from typing import BinaryIO

_LENGTH = Struct("!I")

COMPLETE = _LENGTH.pack(0)
"""The empty frame."""


def framed(content: bytes) -> bytes:
    """Return a frame; what is longer than 4 GiB does not fit."""
    return _LENGTH.pack(len(content)) + content


def receive(source: BinaryIO) -> bytes:
    """Return the content of the next frame; raises `EOFError` where there is none."""
    return _exactly(source, _LENGTH.unpack(_exactly(source, _LENGTH.size))[0])


def receive_pieces(source: BinaryIO) -> bytes:
    """Return the contents of all frames up to the empty one, in one piece."""
    return b"".join(iter(lambda: receive(source), b""))


async def received(source: StreamReader) -> bytes:
    """Return the content of the next frame; raises `EOFError` where there is none."""
    return await source.readexactly(_LENGTH.unpack(await source.readexactly(_LENGTH.size))[0])


def _exactly(source: BinaryIO, length: int) -> bytes:
    content = source.read(length)
    if len(content) < length:
        raise EOFError
    return content
