"""All personas at hand: folders of files, read again when they change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from server.personas import loader
from server.personas.books.book import Book
from server.personas.books.compiled import Books
from server.personas.loader import PersonaFile
from server.personas.persona import Persona
from server.problems import Problem

POLL_S = 1.0
MAX_READY = 64
"""Books of so many NPCs and players are kept ready."""

Stamp = tuple[int, int, int]
"""Modification time in ns, size in bytes, inode: another stamp means another content."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit did: the ids that are new, different or gone, and every problem there is now."""

    ids: frozenset[str]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file as it was last read. `good` is the last persona that it held; a broken edit leaves it standing."""

    stamp: Stamp
    file: PersonaFile
    good: Persona | None
    book: Book | None


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Everything read, at one moment."""

    entries: Mapping[Path, _Entry] = field(default_factory=dict)
    personas: Mapping[str, Persona] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    books: Mapping[str, Book] = field(default_factory=dict)
    tags: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ready: dict[tuple[str, str, str], Books] = field(default_factory=dict, compare=False)

    def books_of(self, persona_id: str) -> tuple[Book, ...]:
        """Its own books, then those for everyone."""
        own = (persona_id, f"{persona_id}.book")
        all_ids = self.personas.keys()
        common = [name for name in sorted(self.books) if name.removesuffix(".book") not in all_ids]
        return tuple(self.books[name] for name in (*own, *common) if name in self.books)


class PersonaLibrary:
    """The personas of several folders; where two folders have the same id, the later folder's file counts."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._shelf = _Shelf()

    def add_folder(self, folder: Path) -> None:
        """Put `folder` after those that are there; the next `load` or look of `watch` reads it."""
        if folder not in self._folders:
            self._folders = (*self._folders, folder)

    def load(self) -> None:
        """Read every file that is new or different. Blocks; never raises for what files say."""
        self._shelf = _scan(self._folders, self._shelf)

    def get(self, persona_id: str) -> Persona | None:
        """The persona of that id, or None."""
        return self._shelf.personas.get(persona_id)

    def ids(self) -> tuple[str, ...]:
        """The ids of all personas, sorted."""
        return tuple(sorted(self._shelf.personas))

    def file(self, persona_id: str) -> Path | None:
        """The file that the persona of that id stands in."""
        return self._shelf.files.get(persona_id)

    def tags(self, persona_id: str) -> frozenset[str]:
        """The tags of the card that the persona was, in lower case."""
        return self._shelf.tags.get(persona_id, frozenset())

    def has_books(self, persona_id: str) -> bool:
        """Whether any lorebook is for the persona of that id."""
        return bool(self._shelf.books_of(persona_id))

    def books(self, persona_id: str, name: str, player: str) -> Books | None:
        """The lorebooks that an NPC called `name` knows, ready for a player's name; None where there are none."""
        shelf = self._shelf
        key = (persona_id, name, player)
        if key not in shelf.ready:
            books = shelf.books_of(persona_id)
            if not books:
                return None
            if len(shelf.ready) >= MAX_READY:
                shelf.ready.clear()
            shelf.ready[key] = Books(books, name, player)
        return shelf.ready[key]

    def problems(self) -> tuple[Problem, ...]:
        """What is wrong with files and folders right now."""
        return self._shelf.problems

    async def watch(self, on_change: Callable[[Change], None], interval_s: float = POLL_S) -> None:
        """Look every `interval_s` seconds whether files changed, and say so; runs until it is cancelled.

        Polling finds edits on network drives and in containers too, where the notices of the file system do not arrive.
        """
        while True:
            before = self._shelf
            # Off the event loop: a folder on a sleeping disk must not stop a conversation.
            after = await asyncio.to_thread(_scan, self._folders, before)
            if self._shelf is before and after is not before:
                self._shelf = after
                changed = _changed(before, after)
                if changed or after.problems != before.problems:
                    on_change(Change(changed, after.problems))
            await asyncio.sleep(interval_s)


def _changed(before: _Shelf, after: _Shelf) -> frozenset[str]:
    ids = before.personas.keys() | after.personas.keys()
    return frozenset(each for each in ids if before.personas.get(each) != after.personas.get(each))


def _scan(folders: Sequence[Path], before: _Shelf) -> _Shelf:
    """The shelf as the folders are now; `before` itself where nothing changed."""
    entries: dict[Path, _Entry] = {}
    personas: dict[str, Persona] = {}
    files: dict[str, Path] = {}
    books: dict[str, Book] = {}
    tags: dict[str, frozenset[str]] = {}
    found: list[Problem] = []
    for folder in folders:
        here: dict[str, Path] = {}
        for path in _files(folder, found):
            entry = _entry(path, before.entries.get(path))
            if entry is None:
                continue
            entries[path] = entry
            found += entry.file.problems
            if entry.good is None:
                if entry.book is not None:
                    books[entry.book.id] = entry.book
                continue
            if entry.good.id in here:
                message = f"has the same id as {here[entry.good.id].name}"
                found.append(entry.file.problem(("id",), message, "remove one of the two files"))
                continue
            here[entry.good.id] = path
            _forget(entry.good.id, books, tags)
            personas[entry.good.id] = entry.good
            files[entry.good.id] = path
            tags[entry.good.id] = frozenset(entry.file.tags)
            if entry.book is not None:
                books[entry.book.id] = entry.book
    if entries == before.entries and tuple(found) == before.problems:
        return before
    return _Shelf(entries, personas, tuple(found), files, books, tags)


def _forget(persona_id: str, books: dict[str, Book], tags: dict[str, frozenset[str]]) -> None:
    """A later folder has another file for this id: the card of the earlier one counts no more."""
    books.pop(persona_id, None)
    tags.pop(persona_id, None)


def _files(folder: Path, found: list[Problem]) -> list[Path]:
    try:
        return loader.listed(folder)
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        found.append(Problem(str(folder), 0, "", message, "config.yaml names it under personas or mods"))
        return []


def _entry(path: Path, known: _Entry | None) -> _Entry | None:
    """The entry of a file, read anew only where its stamp is another; None where the file just went away."""
    try:
        status = path.stat()
    except OSError:
        return None
    stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
    if known is not None and known.stamp == stamp:
        return known
    file = loader.read(path)
    if file.problems and known is not None:
        return _Entry(stamp, file, known.good, known.book)
    return _Entry(stamp, file, file.persona, file.book)
