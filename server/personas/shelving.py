"""Cards and lorebooks put into a folder of personas: looked through first, then written whole or not at all."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from server.errors import CardError
from server.personas import loader
from server.personas.books import read as book_files
from server.personas.cards import file as card_files
from server.personas.cards import rawjson
from server.personas.cards.card import Card
from server.personas.loader import BOOK_MARK

_ID: Final = re.compile(r"[a-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Kept:
    """What was put where. `kind` is `card` or `book`; `notes` say what is odd about it."""

    id: str
    name: str
    kind: str
    path: Path
    notes: tuple[str, ...] = ()


def keep(
    data: bytes, folder: Path, wanted_id: str | None = None, *, name: str = "", is_replacing: bool = False
) -> Kept:
    """Put a card or a lorebook into `folder`, byte for byte as it came, under `wanted_id`.

    Without an id it is made of what the card or the book is called, failing that of `name`.

    Raises:
        CardError: it cannot be used, the id is none or taken, or the folder cannot be written to.
    """
    card_files.check_size(len(data))
    if card_files.is_json(data) and book_files.is_book(raw := rawjson.loads(data)):
        book_id = _id(wanted_id, str(raw.get("name") or name))
        book = book_files.read(raw, book_id)
        path = _put(data, folder, book_id, f"{BOOK_MARK}.json", is_replacing)
        return Kept(book_id, book.name or book_id, "book", path, (f"it has {len(book.entries):,} entries",))
    file = card_files.read(data)
    persona_id = _id(wanted_id, file.card.spoken_name or name)
    loader.persona_of(file, persona_id)
    path = _put(data, folder, persona_id, file.suffix, is_replacing)
    return Kept(persona_id, file.card.spoken_name, "card", path, told_of(file.card))


def told_of(card: Card) -> tuple[str, ...]:
    """What people should know of a card: its oddities, and what its creator says."""
    notes = card.notes_in().strip()
    return (*card.notes, *([f"its creator says: {notes}"] if notes else []))


def _id(wanted: str | None, called: str) -> str:
    found = wanted if wanted is not None else loader.id_of(called)
    if not _ID.fullmatch(found):
        raise CardError("There is no id for it.", "Give one: up to 64 of a-z, 0-9, _ and -.")
    return found


def _put(data: bytes, folder: Path, persona_id: str, suffix: str, is_replacing: bool) -> Path:
    path = folder / f"{persona_id}{suffix}"
    try:
        taken = [each for each in loader.listed(folder) if _stem(each) == _stem(path)]
        if taken and (not is_replacing or taken != [path]):
            raise CardError(f"{taken[0].name} is in {folder} already.", "Take another id, or move that file away.")
        beside = folder / f".{path.name}.part"
        try:
            beside.write_bytes(data)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise CardError(f"{path} cannot be written: {error.strerror or error}.", "Check the folder.") from None
    return path


def _stem(path: Path) -> str:
    """The id a file would have; a book's is another than a card's."""
    return path.stem if path.suffix in loader.SUFFIXES or path.stem.endswith(BOOK_MARK) else loader.id_of(path.stem)
