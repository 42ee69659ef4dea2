"""What one end puts into frames is what the other end gets, however the bytes travel."""

import asyncio
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.frames import COMPLETE, framed, receive, receive_pieces, received

CONTENTS = st.lists(st.binary(min_size=1, max_size=300), max_size=5)


@given(CONTENTS)
def test_pieces_are_received_as_one_up_to_the_empty_frame(contents: list[bytes]) -> None:
    source = io.BytesIO(b"".join(map(framed, contents)) + COMPLETE + framed(b"the next"))
    assert receive_pieces(source) == b"".join(contents)
    assert receive(source) == b"the next"


@given(st.binary(max_size=300), st.integers(1, 300))
async def test_a_frame_is_received_whatever_the_pieces_it_travels_in(content: bytes, size: int) -> None:
    stream, frame = asyncio.StreamReader(), framed(content)
    for start in range(0, len(frame), size):
        stream.feed_data(frame[start : start + size])
    stream.feed_eof()
    assert await received(stream) == content


@given(st.binary(max_size=50), st.data())
def test_a_frame_that_breaks_off_is_the_end_at_either_side(content: bytes, data: st.DataObject) -> None:
    frame = framed(content)
    broken = frame[: data.draw(st.integers(0, len(frame) - 1))]
    with pytest.raises(EOFError):
        receive(io.BytesIO(broken))

    async def asynchronously() -> bytes:
        stream = asyncio.StreamReader()
        stream.feed_data(broken)
        stream.feed_eof()
        return await received(stream)

    with pytest.raises(EOFError):
        asyncio.run(asynchronously())


def test_pieces_without_their_end_are_the_end() -> None:
    with pytest.raises(EOFError):
        receive_pieces(io.BytesIO(framed(b"half of it")))
