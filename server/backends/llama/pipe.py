"""Frames between the server and the engine's process: four bytes of length, big-endian, then a MessagePack map.

Server → worker (`op`; what stands in brackets may be left out):
    load      path, context (tokens), threads, gpu_layers, [sequences, batch (tokens in one step), kv_type,
              flash_attention, ram_bytes, disk_folder, disk_bytes, fingerprint]; the first frame, once
    generate  id, tokens, priority, max_tokens, [bounds, stop, sampling, grammar, logprobs (how
              many of the likeliest tokens to tell)]
    warm      id, tokens, priority, [bounds]
    choose    id, tokens, priority, choices (texts), [bounds, sampling]
    cancel    id
    stats     id
Worker → server:
    ready     context (tokens)
    failed    message; the model cannot be loaded, and the worker ends
    speed     prefill [[tokens in one step, ms], …], decode [[replies, ms], …], decode_ms (a step of one reply), cells
              (in use); unasked: once measured, and now and then
    forecast  id, ms (to the first token, waiting included), new (tokens to evaluate); a generate's first answer
    progress  id, done, total; prompt tokens in the context
    text      id, text, tokens, [chances: [logprob, [[token, logprob], …]] of each of its tokens]
    tool      id, text, tokens; a tool call: its control tokens are in the tokens, not in the text
    done      id, reason, prompt, cached, evaluated, reply (tokens), ms {queue, restore, [prefill, first_token]}; of a
              choose also choice (index) and text
    error     id, kind (overflow, refused, broken), message
    stats     id, jobs, sequences, cells, context, steps, rss_bytes, states {context, ram, disk}, each with a count
              and its cells or bytes

`bounds` are token counts, rising, where a part of the prompt ends that others may begin with too. `sampling` has any
field of `server.backends.base.Sampling`; without a temperature the likeliest is taken. `grammar` is GBNF, its root is
`root`. `priority`: from 8 on a player waits for it, and nothing below the highest there is worked on. `fingerprint`
names the model file: states on disk are taken only where it is the same. `reason`: stop, length, warmed, cancelled, or
yielded, when a generate went on with what a warm had read.
A closed pipe is the order to end. Every `generate`, `warm` and `choose` is answered by exactly one `done` or `error`.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any, BinaryIO

import msgpack  # type: ignore[import-untyped]  # msgpack ships no types

MAX_FRAME_BYTES = 8 * 1_048_576
_LENGTH = struct.Struct(">I")

Frame = dict[str, Any]


class FrameError(Exception):
    """What came through the pipe is not a frame: too long, cut, or not a map with an `op`."""


def pack(frame: Frame) -> bytes:
    """`frame` as bytes, its length in front.

    Raises:
        FrameError: it is longer than `MAX_FRAME_BYTES`.
    """
    body: bytes = msgpack.packb(frame)
    if len(body) > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {len(body)} bytes; at most {MAX_FRAME_BYTES} are allowed")
    return _LENGTH.pack(len(body)) + body


def unpack(body: bytes) -> Frame:
    """The frame in `body`, its length already taken off.

    Raises:
        FrameError: it is not a map with a text `op`.
    """
    try:
        frame = msgpack.unpackb(body)
    except (ValueError, msgpack.UnpackException) as error:
        raise FrameError(f"not MessagePack: {error}") from error
    if not isinstance(frame, dict) or not isinstance(frame.get("op"), str):
        raise FrameError("not a map with an op")
    return frame


def write_frame(stream: BinaryIO, frame: Frame) -> None:
    """Write `frame` and flush; blocks while the pipe is full.

    Raises:
        FrameError: it is too long.
        OSError: the other end is gone.
    """
    stream.write(pack(frame))
    stream.flush()


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame, or None at the end of the stream; blocks until either is there.

    Raises:
        FrameError: the stream ends inside a frame, or the frame is too long or garbled.
    """
    head = stream.read(_LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise FrameError("the stream ends inside a frame")
    length = _checked_length(head)
    body = stream.read(length)
    if len(body) < length:
        raise FrameError("the stream ends inside a frame")
    return unpack(body)


async def receive_frame(stream: asyncio.StreamReader) -> Frame | None:
    """As `read_frame`, for the event loop."""
    try:
        head = await stream.readexactly(_LENGTH.size)
        body = await stream.readexactly(_checked_length(head))
    except asyncio.IncompleteReadError as error:
        if error.expected == _LENGTH.size and not error.partial:
            return None
        raise FrameError("the stream ends inside a frame") from error
    return unpack(body)


def _checked_length(head: bytes) -> int:
    (length,) = _LENGTH.unpack(head)
    if length > MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {length} bytes; at most {MAX_FRAME_BYTES} are allowed")
    return int(length)
