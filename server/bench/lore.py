"""How long a lorebook is looked through: a thousand entries against twenty messages, beside a search key by key."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from server.personas.books.book import Book, Entry
from server.personas.books.compiled import Books
from server.personas.books.scan import Found, Talk, scan

ENTRIES: Final = 1_000
MESSAGES: Final = 20
AIM_MS: Final = 2.0
_KEYS: Final = 3
_WORDS: Final = 50
_NAMED: Final = 2
_VOCABULARY: Final = 4_000
_ROOM_TOKENS: Final = 120
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
T = TypeVar("T")


@dataclass(slots=True)
class LoreTimes:
    """Milliseconds of every round, and the most entries that one brought up.

    `first`: all messages are new. `next`: one is, as in every turn but a conversation's first. `plain`: a search with
    one pattern for each entry, as frontends do it.
    """

    first: list[float] = field(default_factory=list)
    next: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    most_told: int = 0


def run(rounds: int, seed: int = 0) -> LoreTimes:
    """Look through a book of random names `rounds` times, two of them in each message; all follows from `seed`."""
    rng = random.Random(seed)
    words = ["".join(rng.choices(_LETTERS, k=rng.randint(3, 9))) for _ in range(_VOCABULARY)]
    names = ["".join(rng.choices(_LETTERS, k=rng.randint(4, 10))) for _ in range(ENTRIES * _KEYS)]
    keys = [tuple(names[at : at + _KEYS]) for at in range(0, len(names), _KEYS)]
    entries = tuple(Entry(f"b/{at}", f"Of {each[0]}.", each, whole_words=True) for at, each in enumerate(keys))
    book = Book("b", entries=entries, scan_depth=MESSAGES, recursive=True)
    patterns = [re.compile(rf"(?<!\w)(?:{'|'.join(each)})(?!\w)", re.IGNORECASE) for each in keys]
    times = LoreTimes()
    for number in range(rounds):
        said = [rng.choices(words, k=_WORDS - _NAMED) + rng.choices(names, k=_NAMED) for _ in range(MESSAGES + 1)]
        messages = [("Bram", " ".join(each)) for each in said]
        _round(Books([book], "Hilda", "Bram"), messages, patterns, number, times)
    return times


def _round(
    books: Books, messages: list[tuple[str, str]], patterns: list[re.Pattern[str]], number: int, times: LoreTimes
) -> None:
    def look(seen: list[tuple[str, str]]) -> Found:
        return scan(books, Talk(tuple(seen), MESSAGES, MESSAGES // 2, f"bench/{number}"), _ROOM_TOKENS, len)

    text = "\x01".join(words for _, words in messages[1:])
    _timed(lambda: look(messages[1:]), times.first)
    found = _timed(lambda: look(messages[:-1]), times.next)
    _timed(lambda: [pattern.search(text) for pattern in patterns], times.plain)
    times.most_told = max(times.most_told, len(found.entries))


def _timed(work: Callable[[], T], into: list[float]) -> T:
    began = time.perf_counter()
    result = work()
    into.append((time.perf_counter() - began) * 1_000)
    return result


def as_table(times: LoreTimes) -> str:
    """The figures for people."""
    rows = {
        "all messages new": times.first,
        "one message new": times.next,
        "key by key": times.plain,
    }
    lines = [f"{ENTRIES:,} entries against {MESSAGES} messages of {_WORDS} words; ms", f"{'':20}{'p50':>8}{'p99':>8}"]
    lines += [f"{name:20}{_share(values, 50):8.2f}{_share(values, 99):8.2f}" for name, values in rows.items()]
    verdict = "met" if _share(times.first, 50) < AIM_MS else "missed"
    return "\n".join([*lines, f"aim: all messages new in under {AIM_MS:g} ms at p50: {verdict}"])


def _share(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]
