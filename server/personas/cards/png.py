"""PNG and APNG files as their chunks: the texts in them are read and written, the picture is never decoded.

Chunks are those of the PNG specification, third edition, §5.3 and §11.3.3 (tEXt, zTXt, iTXt).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from server.errors import CardError

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS: Final = 20_000
MAX_TEXT_BYTES: Final = 32 << 20
"""What one text may be after inflation: the longest base64 of an asset, and room."""
_HEAD: Final = struct.Struct(">I4s")
_CRC: Final = struct.Struct(">I")
_FRAME_BYTES: Final = _HEAD.size + _CRC.size
_TEXT_KINDS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_DAMAGED: Final = "Get the file again: it was damaged or cut off on its way."


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk; its length and checksum are made anew when it is written."""

    kind: bytes
    data: bytes

    def encoded(self) -> bytes:
        """The chunk as it stands in a file."""
        checksum = zlib.crc32(self.data, zlib.crc32(self.kind))
        return _HEAD.pack(len(self.data), self.kind) + self.data + _CRC.pack(checksum)

    @property
    def keyword(self) -> str:
        """The keyword of a text chunk; empty for any other."""
        if self.kind not in _TEXT_KINDS:
            return ""
        return self.data.partition(b"\0")[0].decode("latin-1")


@dataclass(frozen=True, slots=True)
class Png:
    """A file: its chunks with the last, IEND, and whatever stands behind it."""

    chunks: tuple[Chunk, ...]
    tail: bytes = b""

    def encoded(self) -> bytes:
        """The file."""
        return b"".join((SIGNATURE, *(chunk.encoded() for chunk in self.chunks), self.tail))

    def text(self, keyword: str) -> bytes | None:
        """The text of the first chunk of that keyword, in any case; None where there is none.

        Raises:
            CardError: the chunk is damaged, or its text is longer than `MAX_TEXT_BYTES`.
        """
        found = (chunk for chunk in self.chunks if chunk.keyword.lower() == keyword)
        return next((_text(chunk) for chunk in found), None)

    def keywords(self) -> tuple[str, ...]:
        """The keywords of all texts, in the file's order."""
        return tuple(chunk.keyword for chunk in self.chunks if chunk.keyword)

    def with_texts(self, texts: Mapping[str, bytes], without: Iterable[str] = ()) -> Png:
        """The same picture with `texts` as tEXt chunks before its end, in place of those of these names."""
        gone = {name.lower() for name in (*texts, *without)}
        kept = [chunk for chunk in self.chunks if chunk.keyword.lower() not in gone]
        new = [Chunk(b"tEXt", name.encode("latin-1") + b"\0" + text) for name, text in texts.items()]
        return replace(self, chunks=(*kept[:-1], *new, kept[-1]))


def parse(data: bytes) -> Png:
    """The chunks of a file.

    Raises:
        CardError: it is cut off, has a wrong checksum, a chunk longer than the file, or too many of them.
    """
    if not data.startswith(SIGNATURE):
        raise CardError("This is no PNG file.", _DAMAGED)
    chunks = []
    at = len(SIGNATURE)
    for chunk in _chunks(data):
        chunks.append(chunk)
        at += _FRAME_BYTES + len(chunk.data)
    return Png(tuple(chunks), data[at:])


def blank(width: int = 400, height: int = 600, grey: int = 64) -> Png:
    """A picture of one shade of grey, for a card that has none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + bytes([grey]) * width) * height
    return Png((Chunk(b"IHDR", header), Chunk(b"IDAT", zlib.compress(rows, 9)), Chunk(b"IEND", b"")))


def _chunks(data: bytes) -> Iterator[Chunk]:
    at = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if at + _FRAME_BYTES > len(data):
            raise CardError("The PNG file ends in the middle.", _DAMAGED)
        size, kind = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + size
        if end + _CRC.size > len(data):
            raise CardError(f"A chunk of the PNG file claims {size:,} bytes, more than the file has.", _DAMAGED)
        body = data[at + _HEAD.size : end]
        if _CRC.unpack_from(data, end)[0] != zlib.crc32(body, zlib.crc32(kind)):
            raise CardError("A chunk of the PNG file has a wrong checksum.", _DAMAGED)
        yield Chunk(kind, body)
        if kind == b"IEND":
            return
        at = end + _CRC.size
    raise CardError(f"The PNG file has more than {MAX_CHUNKS:,} chunks.", "No picture needs so many.")


def _text(chunk: Chunk) -> bytes:
    _, mark, rest = chunk.data.partition(b"\0")
    if not mark:
        raise CardError("A text in the PNG file has no end to its name.", _DAMAGED)
    if chunk.kind == b"tEXt":
        return rest
    if chunk.kind == b"zTXt":
        return _inflated(rest[1:])
    is_packed, parts = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
    if len(parts) != 3:
        raise CardError("A text in the PNG file is cut off.", _DAMAGED)
    return _inflated(parts[2]) if is_packed else parts[2]


def _inflated(packed: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(packed, MAX_TEXT_BYTES)
    except zlib.error:
        raise CardError("A packed text in the PNG file is damaged.", _DAMAGED) from None
    if inflater.unconsumed_tail or not inflater.eof:
        what = f"is more than {MAX_TEXT_BYTES >> 20} MiB" if inflater.unconsumed_tail else "is cut off"
        raise CardError(f"A packed text in the PNG file {what}.", "No card needs so much; it may be a trap.")
    return text
