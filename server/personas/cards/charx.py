"""CHARX files: a zip with `card.json` and the assets it names. Nothing is ever unpacked onto the disk."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import Final

from server.errors import CardError

CARD_NAME: Final = "card.json"
MAX_MEMBERS: Final = 1_000
MAX_RATIO: Final = 100
MAX_CARD_BYTES: Final = 4 << 20
MAX_ASSET_BYTES: Final = 20 << 20
MAX_INFLATED_BYTES: Final = 256 << 20
_RATIO_FROM_BYTES: Final = 1 << 20
_MAX_DIRECTORY_BYTES: Final = 512 << 10
_END: Final = b"PK\x05\x06"
_ZIP64: Final = b"PK\x06\x07"
_END_REACH: Final = 66_000
"""Bytes from the file's end in which the end record may begin (APPNOTE.TXT §4.3.16), and its forerunner's."""
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
    IndexError,
)
"""What `zipfile` raises for files that are damaged, locked or packed in other ways, names that are no text included."""
_TRAP: Final = "No card needs that; it may be a trap."


class Charx:
    """A zip, looked through and found harmless; what it holds is read within limits.

    Raises:
        CardError: it is damaged, locked, too large, or has members that no card has.
    """

    def __init__(self, data: bytes) -> None:
        _check_end(data)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _BROKEN:
            raise CardError("The CHARX file is no zip, or it is damaged.", "Get the file again.") from None
        self._members = self._zip.infolist()
        self._check()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all members but the card, in the file's order."""
        return tuple(each.filename for each in self._members if each.filename != CARD_NAME and not each.is_dir())

    def card(self) -> bytes:
        """What `card.json` holds.

        Raises:
            CardError: there is none, or it is damaged or longer than `MAX_CARD_BYTES`.
        """
        return self.read(CARD_NAME, MAX_CARD_BYTES)

    def read(self, name: str, limit: int = MAX_ASSET_BYTES) -> bytes:
        """One member.

        Raises:
            CardError: there is none of that name, or it is damaged or longer than `limit` bytes.
        """
        try:
            with self._zip.open(name) as member:
                data = member.read(limit + 1)
        except KeyError:
            raise CardError(f"The zip has no {_shown(name)}.", "A CHARX file has card.json at its root.") from None
        except _BROKEN:
            raise CardError(f"{_shown(name)} in the zip cannot be read.", "Get the file again.") from None
        if len(data) > limit:
            raise CardError(f"{_shown(name)} is larger than {limit >> 20} MiB.", _TRAP)
        return data

    def _check(self) -> None:
        if len(self._members) > MAX_MEMBERS:
            raise CardError(f"The zip has {len(self._members):,} members, more than {MAX_MEMBERS:,}.", _TRAP)
        for each in self._members:
            _check_member(each)
        if sum(each.file_size for each in self._members) > MAX_INFLATED_BYTES:
            raise CardError(f"The zip unpacks to more than {MAX_INFLATED_BYTES >> 20} MiB.", _TRAP)
        names = [each.filename for each in self._members]
        if names.count(CARD_NAME) > 1:
            raise CardError("The zip has card.json twice.", _TRAP)


def packed(members: dict[str, bytes]) -> bytes:
    """A zip of these members, the card first; the same members make the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(members, key=lambda name: name != CARD_NAME):
            archive.writestr(zipfile.ZipInfo(name), members[name], zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _check_end(data: bytes) -> None:
    """Refuse a directory that would take much memory before anybody could count its entries."""
    tail = data[-_END_REACH:]
    at = tail.find(_END)
    if at < 0:
        raise CardError("The CHARX file is no zip, or it is cut off.", "Get the file again.")
    if _ZIP64 in tail:
        raise CardError("The zip is of the kind for files over 4 GB.", _TRAP)
    while at >= 0 and at + 16 <= len(tail):
        if int.from_bytes(tail[at + 12 : at + 16], "little") > _MAX_DIRECTORY_BYTES:
            raise CardError("The zip's list of members is too long.", _TRAP)
        at = tail.find(_END, at + 1)


def _check_member(member: zipfile.ZipInfo) -> None:
    name = _shown(member.filename)
    parts = member.filename.replace("\\", "/").split("/")
    if member.filename.startswith("/") or ".." in parts or "\\" in member.filename or ":" in parts[0]:
        raise CardError(f"The zip has a member called {name}, which leads out of it.", _TRAP)
    if member.flag_bits & 1:
        raise CardError(f"{name} in the zip is locked with a password.", "Ask for a card without one.")
    if member.compress_type not in _METHODS:
        raise CardError(f"{name} in the zip is packed in an unusual way.", "Pack it again as a plain zip.")
    if member.file_size > max(_RATIO_FROM_BYTES, MAX_RATIO * member.compress_size):
        raise CardError(f"{name} in the zip unpacks to {member.file_size:,} bytes, far more than it takes.", _TRAP)


def _shown(name: str) -> str:
    return ascii(name if len(name) <= 64 else f"{name[:64]}…")
