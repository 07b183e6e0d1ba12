from __future__ import annotations

import asyncio
import io
import struct

import msgpack  # type: ignore[import-untyped]  # msgpack ships no types
import pytest

from server.backends.llama.pipe import (
    MAX_FRAME_BYTES,
    Frame,
    FrameError,
    pack,
    read_frame,
    receive_frame,
    write_frame,
)

FRAMES: list[Frame] = [{"op": "cancel", "id": 3}, {"op": "text", "id": 1, "text": "héllo", "tokens": [1, 2, 3]}]
BROKEN = [
    pytest.param(pack(FRAMES[0])[:2], id="cut in its length"),
    pytest.param(pack(FRAMES[0])[:-1], id="cut in its body"),
    pytest.param(struct.pack(">I", MAX_FRAME_BYTES + 1), id="too long"),
    pytest.param(struct.pack(">I", 3) + b"\xc1\xc1\xc1", id="not MessagePack"),
    pytest.param(struct.pack(">I", 2) + msgpack.packb([1]), id="not a map"),
    pytest.param(struct.pack(">I", 1) + msgpack.packb({}), id="without op"),
]


def test_frames_come_out_as_they_went_in() -> None:
    stream = io.BytesIO()
    for frame in FRAMES:
        write_frame(stream, frame)
    stream.seek(0)
    assert [read_frame(stream), read_frame(stream), read_frame(stream)] == [*FRAMES, None]


async def test_the_event_loop_reads_the_same_frames_however_they_are_cut() -> None:
    reader = asyncio.StreamReader()
    for byte in b"".join(pack(frame) for frame in FRAMES):
        reader.feed_data(bytes([byte]))
    reader.feed_eof()
    assert [await receive_frame(reader) for _ in range(3)] == [*FRAMES, None]


@pytest.mark.parametrize("data", BROKEN)
def test_a_broken_frame_is_an_error(data: bytes) -> None:
    with pytest.raises(FrameError):
        read_frame(io.BytesIO(data))


@pytest.mark.parametrize("data", BROKEN)
async def test_a_broken_frame_is_an_error_on_the_event_loop(data: bytes) -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    with pytest.raises(FrameError):
        await receive_frame(reader)


def test_a_frame_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(FrameError, match="at most"):
        pack({"op": "text", "text": "x" * MAX_FRAME_BYTES})
