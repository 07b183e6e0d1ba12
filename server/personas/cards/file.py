"""The files a card comes in: PNG and APNG, JSON, CHARX, and a JPEG with a zip behind it."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from server.errors import CardError
from server.personas.cards import card as cards
from server.personas.cards import rawjson
from server.personas.cards.card import Card
from server.personas.cards.charx import Charx
from server.personas.cards.png import SIGNATURE, Png, parse

MAX_FILE_BYTES: Final = 20 << 20
MAX_BASE64_BYTES: Final = rawjson.MAX_BYTES * 4 // 3 + 64
NEW_KEYWORD: Final = "ccv3"
OLD_KEYWORD: Final = "chara"
ASSET_KEYWORD: Final = "chara-ext-asset_:"
SUFFIXES: Final = (".png", ".apng", ".json", ".charx", ".jpg", ".jpeg")
_JPEG: Final = b"\xff\xd8\xff"
_ZIP: Final = b"PK\x03\x04"
_SPACE: Final = b" \t\r\n"

Container = Literal["png", "json", "charx"]


@dataclass(frozen=True, slots=True)
class CardFile:
    """A card and what it came in: the whole file, its container, and the names of assets that it carries itself."""

    card: Card
    container: Container
    data: bytes = field(repr=False)
    assets: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """What a file of this container is called."""
        return f".{self.container}"


def bounded(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        CardError: it cannot be read, or is larger than `MAX_FILE_BYTES`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CardError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from None
    check_size(len(data))
    return data


def check_size(size: int) -> None:
    """Refuse what no card is.

    Raises:
        CardError: there are more than `MAX_FILE_BYTES`.
    """
    if size > MAX_FILE_BYTES:
        raise CardError(f"The file is larger than {MAX_FILE_BYTES >> 20} MiB.", "Make its pictures smaller.")


def read(data: bytes) -> CardFile:
    """The card in a file's bytes, whatever the file is called.

    Raises:
        CardError: it is damaged, hostile, or holds no card.
    """
    check_size(len(data))
    if data.startswith(SIGNATURE):
        return _from_png(data)
    if data.startswith(_ZIP) or data.startswith(_JPEG):
        return _from_charx(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        raise CardError("Cards in WEBP pictures are not read.", "Save the card as PNG or JSON.")
    if is_json(data):
        return CardFile(cards.read(rawjson.loads(data)), "json", data)
    raise CardError("This is no character card.", "Cards come as PNG, APNG, JSON or CHARX.")


def is_json(data: bytes) -> bool:
    """Whether the bytes begin as a JSON object does."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip(_SPACE)[:1] == b"{"


def _from_png(data: bytes) -> CardFile:
    png = parse(data)
    text = png.text(NEW_KEYWORD)
    if text is None:
        text = png.text(OLD_KEYWORD)
    if text is None:
        raise CardError("The picture holds no character card.", "It may be a portrait, or a site took the card out.")
    card = cards.read(rawjson.loads(_unpacked(text)))
    return CardFile(card, "png", data, _assets_in(png))


def _unpacked(text: bytes) -> bytes:
    if len(text) > MAX_BASE64_BYTES:
        raise CardError(f"The card is larger than {rawjson.MAX_BYTES >> 20} MiB of JSON.", "No card needs so much.")
    packed = text.translate(None, _SPACE).rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise CardError(
            "The card in the picture is no base64.", "Export it anew from the program that made it."
        ) from None


def _assets_in(png: Png) -> tuple[str, ...]:
    return tuple(name.removeprefix(ASSET_KEYWORD) for name in png.keywords() if name.startswith(ASSET_KEYWORD))


def _from_charx(data: bytes) -> CardFile:
    archive = Charx(data)
    return CardFile(cards.read(rawjson.loads(archive.card())), "charx", data, archive.names)
