"""States on disk, one file each: they outlive the process, and a file that is not wholly right is as if it were not.

A file is `MAGIC`, the header's length (4 bytes, little-endian), the header (JSON), the tokens (4 bytes each), what
`Model.save` gave, and the CRC-32 of tokens and data. Its name is a hash of the key and the tokens.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from server.backends.llama.tree import Tokens

MAGIC = b"BARKEEP STATE 1\n"
SUFFIX, UNFINISHED = ".state", ".unfinished"
KINDS = ("part", "turn")
"""The kinds of states that are worth a file."""

PIECE_BYTES = 4 * 1_048_576
"""Written between two looks at the inbox: a few milliseconds."""

_NUMBER = struct.Struct("<I")
_HEADER_BYTES = 256
"""What a header takes beside the key, which JSON makes six times as long at worst."""
_MAX_HEADER_BYTES = 65_536
_MAX_TOKENS = 1 << 24


@dataclass(frozen=True, slots=True)
class StateFile:
    """What is known of a file without its data. `kind` is one of `KINDS`."""

    name: str
    kind: str
    tokens: Tokens


class _Damaged(Exception):
    """The file is not what its writer would have left."""


class StateFiles:
    """The files in `folder`, at most `max_bytes` in all, whatever model they are of: the least recently used go.

    `key` names everything that decides whether a state can be restored: the model file, the engine's version, the
    cache's layout. Files with another key are left alone until their room is needed. `log` takes a line when the
    disk fails; from the first failure on nothing is written.
    """

    def __init__(self, folder: Path, key: str, max_bytes: int, log: Callable[[str], None]) -> None:
        self._folder = folder
        self._key = key
        self._max_bytes = max_bytes
        self._log = log
        self._writable = max_bytes > 0
        self._sizes: dict[str, int] = {}
        """Name to bytes, least recently used first."""

    @property
    def total_bytes(self) -> int:
        """Of all state files in the folder."""
        return sum(self._sizes.values())

    def open(self) -> list[StateFile]:
        """Make the folder, take up what is in it, and return the files with this key. Damaged ones are removed."""
        found = []
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            paths = [(path.stat().st_mtime_ns, path) for path in self._folder.iterdir() if path.is_file()]
        except OSError as error:
            self._fail(error)
            return []
        for _, path in sorted(paths):
            if path.suffix == UNFINISHED:
                self._unlink(path.name)
            elif path.suffix == SUFFIX:
                found.append(self._take_up(path))
        return [file for file in found if file is not None]

    def make_room(self, size: int, last: Sequence[str] = ()) -> list[str]:
        """Remove files until `size` more bytes fit under the cap; returns their names.

        Those of `last` go after all others, and in their order.
        """
        removed: list[str] = []
        ranks = {name: rank for rank, name in enumerate(last)}
        # Sorting is stable: the others stay in the order of their last use.
        for name in sorted(self._sizes, key=lambda each: ranks.get(each, -1)):
            if self.total_bytes + size <= self._max_bytes:
                break
            self.remove(name)
            removed.append(name)
        return removed

    def room_beside(self, names: Iterable[str]) -> int:
        """Bytes under the cap that are left if only `names` stay; 0 when nothing can be written."""
        taken = sum(self._sizes.get(name, 0) for name in names)
        return max(0, self._max_bytes - taken) if self._writable else 0

    def file_bytes(self, tokens: Tokens, data: int) -> int:
        """How large a file for `data` bytes becomes at most."""
        return len(MAGIC) + 2 * _NUMBER.size + _HEADER_BYTES + len(self._key) * 6 + 4 * len(tokens) + data

    def write(self, tokens: Tokens, kind: str, data: Any) -> Generator[None, None, str | None]:
        """Write a state in pieces, one for each `next`; returns its name, or None where the disk failed.

        Left unfinished, nothing comes of it.
        """
        name = hashlib.sha256(self._key.encode() + b"\0" + tokens.tobytes()).hexdigest()[:40]
        path = self._folder / (name + UNFINISHED)
        view = memoryview(data).cast("B")
        try:
            with path.open("wb") as file:
                size = self._write_head(file, tokens, kind, len(view))
                check = zlib.crc32(tokens.tobytes())
                for start in range(0, len(view), PIECE_BYTES):
                    piece = view[start : start + PIECE_BYTES]
                    file.write(piece)
                    check = zlib.crc32(piece, check)
                    yield
                file.write(_NUMBER.pack(check))
            path.replace(self._folder / (name + SUFFIX))
        except OSError as error:
            self._fail(error)
            self._unlink(path.name)
            return None
        self._sizes.pop(name + SUFFIX, None)
        self._sizes[name + SUFFIX] = size + len(view) + _NUMBER.size
        return name + SUFFIX

    def read(self, name: str) -> Any | None:
        """The data of a file, as a ctypes array; None, and the file is removed, where anything is wrong with it."""
        try:
            with (self._folder / name).open("rb") as file:
                tokens, size = self._read_head(file)[1:]
                data = (ctypes.c_uint8 * size)()
                read = file.readinto(data)
                (check,) = _NUMBER.unpack(file.read(_NUMBER.size))
            if read != size or check != zlib.crc32(data, zlib.crc32(tokens.tobytes())):
                raise _Damaged
        except (OSError, _Damaged, struct.error):
            self.remove(name)
            return None
        self._touch(name)
        return data

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        self._sizes.pop(name, None)
        self._unlink(name)

    def _take_up(self, path: Path) -> StateFile | None:
        try:
            with path.open("rb") as file:
                header, tokens, size = self._read_head(file)
                whole = file.tell() + size + _NUMBER.size
            if path.stat().st_size != whole:
                raise _Damaged
        except OSError:
            return None
        except (_Damaged, struct.error):
            self._unlink(path.name)
            return None
        self._sizes[path.name] = whole
        return StateFile(path.name, header["kind"], tokens) if header["key"] == self._key else None

    def _write_head(self, file: BinaryIO, tokens: Tokens, kind: str, size: int) -> int:
        header = json.dumps({"key": self._key, "kind": kind, "tokens": len(tokens), "bytes": size}).encode()
        return file.write(MAGIC + _NUMBER.pack(len(header)) + header + _little(tokens).tobytes())

    def _read_head(self, file: BinaryIO) -> tuple[dict[str, Any], Tokens, int]:
        if file.read(len(MAGIC)) != MAGIC:
            raise _Damaged
        (length,) = _NUMBER.unpack(file.read(_NUMBER.size))
        if length > _MAX_HEADER_BYTES:
            raise _Damaged
        try:
            header = json.loads(file.read(length))
            key, kind, count, size = (header[name] for name in ("key", "kind", "tokens", "bytes"))
        except (ValueError, KeyError, TypeError) as error:
            raise _Damaged from error
        whole = isinstance(key, str) and kind in KINDS and isinstance(count, int) and isinstance(size, int)
        if not whole or not 0 < count < _MAX_TOKENS or not 0 < size <= os.fstat(file.fileno()).st_size:
            raise _Damaged
        tokens = array("i")
        data = file.read(count * tokens.itemsize)
        if len(data) != count * tokens.itemsize:
            raise _Damaged
        tokens.frombytes(data)
        return header, _little(tokens), size

    def _touch(self, name: str) -> None:
        """Count `name` as used just now, for this process and, where the disk can be written, for those that come."""
        with contextlib.suppress(OSError):
            os.utime(self._folder / name)
        self._sizes[name] = self._sizes.pop(name)

    def _unlink(self, name: str) -> None:
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if self._writable:
            self._log(f"states are no longer kept on disk: {error}")
        self._writable = False


def _little(tokens: Tokens) -> Tokens:
    """`tokens` in the byte order of files, or from it."""
    if sys.byteorder == "little":
        return tokens
    swapped = tokens[:]
    swapped.byteswap()
    return swapped
