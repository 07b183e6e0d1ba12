"""Books made ready to be looked through: macros carried out, keys numbered, entries found by their keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from server.personas.books.book import Book, Entry, Logic
from server.personas.books.keys import MAX_PATTERNS, Key, KeyFinder, is_like_a_pattern, key_of
from server.personas.cards.macros import Values, addressed, expand, hidden_keys

Keys = tuple[int, ...]
NEVER: Final = -1
"""Stands for a key that can never be found."""


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """An entry whose keys are numbers. `text` is what is told, `scanned` what other entries' keys are looked for in."""

    entry: Entry
    book: Book
    rank: int
    text: str
    scanned: str
    primary: Keys
    secondary: Keys
    additional: tuple[Keys, ...]
    excluded: Keys

    @property
    def id(self) -> str:
        """The entry's id."""
        return self.entry.id

    @property
    def scan_depth(self) -> int:
        """How many messages are looked at."""
        return self.book.scan_depth if self.entry.scan_depth is None else self.entry.scan_depth

    def chooses_before(self) -> tuple[int, int, int, int, int]:
        """Sorts entries as they get their room: constants, then by priority, book and order, the highest first."""
        said = self.entry.decorators
        return (
            said.ignore_on_max_context,
            not (self.entry.constant or said.activate),
            -(self.entry.priority or 0),
            self.rank,
            -self.entry.order,
        )


class Books:
    """The books of one NPC, its own first, for one player's name."""

    def __init__(self, books: Iterable[Book], character: str, player: str) -> None:
        self.books = tuple(books)
        wanted = _Wanted()
        values = Values(character)
        self.ready = tuple(
            _ready(entry, book, rank, wanted, values, player)
            for rank, book in enumerate(self.books)
            for entry in book.entries
            if entry.enabled
        )
        self.finder = KeyFinder(wanted.keys)
        self.by_id = {each.id: each for each in self.ready}
        self.by_key: dict[int, list[Ready]] = {}
        for each in self.ready:
            for key in each.primary:
                self.by_key.setdefault(key, []).append(each)
        self.unasked = tuple(each for each in self.ready if each.entry.constant or each.entry.decorators.activate)
        self.deepest = max((each.scan_depth for each in self.ready), default=0)


class _Wanted:
    """Keys of all entries, numbered as they come; of patterns, which take time to compile, the first thousand."""

    def __init__(self) -> None:
        self.keys: dict[Key, int] = {}
        self._patterns = 0

    def number(self, text: str, entry: Entry, strict: bool) -> int:
        """The number of a key; `NEVER` where it can never be found."""
        if is_like_a_pattern(text):
            self._patterns += 1
            if self._patterns > MAX_PATTERNS:
                return NEVER
        key = key_of(text, case_sensitive=entry.case_sensitive, whole_words=entry.whole_words, strict=strict)
        return NEVER if key is None else self.keys.setdefault(key, len(self.keys))


def _ready(entry: Entry, book: Book, rank: int, wanted: _Wanted, values: Values, player: str) -> Ready:
    def made(text: str) -> str:
        return addressed(expand(text, values), player)

    def numbered(keys: Iterable[str], strict: bool) -> Iterator[int]:
        for text in keys:
            yield wanted.number(made(text).strip(), entry, strict)

    text, said = made(entry.content), entry.decorators
    return Ready(
        entry,
        book,
        rank,
        text.strip(),
        f"{text} {hidden_keys(entry.content)}",
        primary=tuple(numbered(entry.keys, entry.use_regex)),
        secondary=tuple(numbered(entry.secondary, entry.use_regex)),
        additional=tuple(tuple(numbered(keys, entry.use_regex)) for keys in said.additional_keys),
        excluded=tuple(numbered(said.exclude_keys, False)),
    )


def logic_holds(logic: Logic, found: Iterable[bool]) -> bool:
    """Whether secondary keys, found or not, let an entry in."""
    hits = tuple(found)
    match logic:
        case Logic.AND_ANY:
            return any(hits)
        case Logic.NOT_ALL:
            return not all(hits)
        case Logic.NOT_ANY:
            return not any(hits)
        case Logic.AND_ALL:
            return all(hits)
