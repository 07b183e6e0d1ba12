"""One file of a persona, a card or a lorebook: read, checked, and explained by line where it is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from server import problems, yamlfile
from server.errors import CardError, YamlError
from server.personas.books import read as book_files
from server.personas.books.book import Book
from server.personas.cards import file as card_files
from server.personas.cards import rawjson
from server.personas.cards.file import CardFile
from server.personas.cards.persona import to_persona
from server.personas.persona import Persona
from server.problems import Problem
from server.yamlfile import Document, KeyPath

SUFFIXES: Final = (".yaml", ".yml")
BOOK_MARK: Final = ".book"
"""`hilda.book.json` is a lorebook for `hilda`, or for everyone where there is no such persona."""
_ID: Final = re.compile(r"[a-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class PersonaFile:
    """What reading one file came to: a persona, a lorebook, or at least one problem.

    `book` is a card's own, or the whole file; `tags` are a card's, in lower case.
    """

    path: Path
    persona: Persona | None
    problems: tuple[Problem, ...] = ()
    document: Document | None = None
    book: Book | None = None
    tags: tuple[str, ...] = ()

    def problem(self, key: KeyPath, message: str, hint: str = "") -> Problem:
        """A problem of `key` in this file."""
        line = self.document.line(key) if self.document else 0
        return Problem(str(self.path), line, problems.dotted(key), message, hint)


def read(path: Path) -> PersonaFile:
    """Read a file. Never raises for what the file says or for a file that cannot be read."""
    if path.suffix.lower() in card_files.SUFFIXES:
        return _read_stranger(path)
    try:
        document = yamlfile.load(path)
    except YamlError as error:
        return PersonaFile(path, None, (problems.of_yaml(error),))
    empty = PersonaFile(path, None, (), document)
    if not isinstance(document.data, dict):
        return _refused(empty, empty.problem((), "is not a persona", f"begin with 'id: {path.stem}' and 'name: …'"))
    try:
        persona = Persona.model_validate(document.data)
    except ValidationError as error:
        found = problems.of_validation(error, Persona, document.data, lambda key: (str(path), document.line(key)))
        return _refused(empty, *found)
    if persona.id != path.stem:
        return _refused(empty, _misnamed(empty, persona.id))
    return PersonaFile(path, persona, (), document)


def listed(folder: Path) -> list[Path]:
    """The files of personas, cards and lorebooks directly in `folder`, in order of their names.

    Raises:
        OSError: the folder cannot be read.
    """
    known = (*SUFFIXES, *card_files.SUFFIXES)
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in known and not path.name.startswith("."))


def id_of(stem: str) -> str:
    """The id of a card's file: its name in lower case, other characters as `_`; empty where nothing is left."""
    return re.sub(r"[^a-z0-9_-]+", "_", stem.lower()).strip("_")[:64]


def persona_of(file: CardFile, persona_id: str) -> tuple[Persona, Book | None]:
    """The persona and the own book of a card.

    Raises:
        CardError: its book is none, or what it says makes no persona.
    """
    raw = file.card.data.character_book
    book = replace(book_files.of_card(raw, persona_id), is_own=True) if raw is not None else None
    try:
        return to_persona(file.card, persona_id, book.standing if book else ()), book
    except ValidationError as error:
        place = ".".join(map(str, error.errors(include_url=False, include_input=False)[0]["loc"]))
        raise CardError(f"The card makes no persona: {place}.", "Look at that field in a card editor.") from None


def _read_stranger(path: Path) -> PersonaFile:
    """A card or a lorebook, as its bytes say."""
    try:
        data = card_files.bounded(path)
        if card_files.is_json(data) and book_files.is_book(raw := rawjson.loads(data)):
            return PersonaFile(
                path, None, book=book_files.read(raw, f"{id_of(path.stem.removesuffix(BOOK_MARK))}.book")
            )
        file = card_files.read(data)
        persona_id = id_of(path.stem)
        if not persona_id:
            raise CardError("The file's name makes no id.", "Use letters a-z and digits in the name of the file.")
        persona, book = persona_of(file, persona_id)
        tags = tuple(tag.casefold() for tag in file.card.data.tags)
    except CardError as error:
        return PersonaFile(path, None, (Problem(str(path), 0, "", error.message, error.hint),))
    return PersonaFile(path, persona, book=book, tags=tags)


def _refused(file: PersonaFile, *found: Problem) -> PersonaFile:
    return PersonaFile(file.path, None, found, file.document)


def _misnamed(file: PersonaFile, persona_id: str) -> Problem:
    stem = file.path.stem
    hint = f"write 'id: {stem}'" if _ID.fullmatch(stem) else f"rename the file to {persona_id}{file.path.suffix}"
    return file.problem(("id",), f"'{persona_id}' is not the name of the file", hint)
