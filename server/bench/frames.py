"""The text frames in recorded bytes (RFC 6455, section 5.2)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_HEAD_END = b"\r\n\r\n"
_TEXT = 0x81
"""First byte of a text frame that is whole: FIN, opcode 1."""
_SIZES = {126: 2, 127: 8}
_MASKED = 0x80


@dataclass(frozen=True, slots=True)
class TextFrame:
    """A text frame, and when its last byte passed, in `time.monotonic_ns`."""

    at_ns: int
    text: str


def text_frames(pieces: Iterable[tuple[int, bytes]]) -> Iterator[TextFrame]:
    """The whole, uncompressed text frames of one direction of a connection, behind its HTTP head; skips all others."""
    held, is_upgraded = b"", False
    for at_ns, piece in pieces:
        held += piece
        if not is_upgraded:
            _, end, rest = held.partition(_HEAD_END)
            if not end:
                continue
            held, is_upgraded = rest, True
        while (frame := _frame(held)) is not None:
            payload, length = frame
            if held[0] == _TEXT:
                yield TextFrame(at_ns, payload.decode())
            held = held[length:]


def _frame(held: bytes) -> tuple[bytes, int] | None:
    """The payload of the frame that `held` begins with, and the frame's whole length; None while bytes are missing."""
    if len(held) < 2:
        return None
    size, start = held[1] & ~_MASKED, 2
    if extended := _SIZES.get(size):
        start += extended
        size = int.from_bytes(held[2:start], "big")
    key = b""
    if held[1] & _MASKED:
        key, start = held[start : start + 4], start + 4
    end = start + size
    if len(held) < end:
        return None
    payload = held[start:end]
    if key:
        payload = bytes(byte ^ mask for byte, mask in zip(payload, itertools.cycle(key), strict=False))
    return payload, end
