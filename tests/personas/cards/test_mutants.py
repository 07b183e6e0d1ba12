"""Thousands of broken cards and books: each is read or refused in words, soon, and in little memory.

`./test.sh cards` looks at 10,000 and prints what they took.
"""

from __future__ import annotations

import random
import time
import tracemalloc
from dataclasses import dataclass, field

import pytest

from server.errors import CardError
from server.personas import loader
from server.personas.books import read as books
from server.personas.books.book import Book
from server.personas.books.compiled import Books
from server.personas.books.scan import Talk, scan
from server.personas.cards import file as files
from server.personas.cards import rawjson
from server.personas.cards.export import lost, written
from server.personas.cards.persona import for_player
from server.personas.shelving import told_of
from tests.personas.cards.mutants import mutant
from tests.support.rig import mutants

MAX_S = 2.0
"""For one file, all that is ever done with it together, on a busy machine."""
MAX_BYTES = 64 << 20
WEIGHED = 5
"""The memory of every fifth file is counted."""
SAID = ("Bram", "Lantern oil smokes, the lantern smoky. aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")
TALK = Talk((SAID,) * 8, 8, 3, "w/t1", told={"tilda/7": 3})


@dataclass(slots=True)
class Taken:
    """What files took: seconds of each, and bytes at most of some."""

    cards: int = 0
    books: int = 0
    refused: int = 0
    seconds: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        times = sorted(seconds * 1_000 for seconds in self.seconds)
        return (
            f"{len(times):,} mutants: {self.cards:,} cards, {self.books:,} books, {self.refused:,} refused; "
            f"median {times[len(times) // 2]:.1f} ms, 99 % {times[len(times) * 99 // 100]:.0f} ms, "
            f"slowest {times[-1]:.0f} ms; at most {max(self.peaks) / (1 << 20):.1f} MiB"
        )


@pytest.mark.timeout(1_200)
def test_a_broken_file_raises_typed_errors_alone_in_bounded_time_and_memory(
    capsys: pytest.CaptureFixture[str],
) -> None:
    count, chance, taken = mutants(500), random.Random(6), Taken()
    for number in range(count):
        data = mutant(chance)
        began = time.perf_counter()
        _put(_outcome(data), taken)
        taken.seconds.append(time.perf_counter() - began)
        if number % WEIGHED == 0:
            taken.peaks.append(_peak(data))
    with capsys.disabled():
        if count >= 10_000:
            print(f"\n{taken}")
    assert taken.cards + taken.books + taken.refused == count, "a refusal lacks its words"
    assert taken.cards > count / 4
    assert taken.books > count / 10
    assert taken.refused > count / 5
    assert max(taken.seconds) < MAX_S
    assert max(taken.peaks) < MAX_BYTES


def _put(outcome: str, taken: Taken) -> None:
    match outcome:
        case "card":
            taken.cards += 1
        case "book":
            taken.books += 1
        case "refused":
            taken.refused += 1


def _outcome(data: bytes) -> str:
    """`card`, `book`, `refused`, or empty where a refusal lacks its words."""
    try:
        return "card" if _use(data) else "book"
    except CardError as error:
        return "refused" if error.message and error.hint else ""


def _peak(data: bytes) -> int:
    """Bytes at most. Counting them takes ten times as long."""
    tracemalloc.start()
    try:
        _outcome(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _use(data: bytes) -> bool:
    """All that is ever done with a file; whether it was a card."""
    if files.is_json(data) and books.is_book(raw := rawjson.loads(data)):
        _look(books.read(raw, "tilda"))
        return False
    file = files.read(data)
    persona, book = loader.persona_of(file, "tilda")
    for_player(persona, "Bram {{char}}")
    told_of(file.card)
    if book is not None:
        _look(book)
    for container in ("png", "json", "charx"):
        lost(file, container)
        again = files.read(written(file, container))
        assert again.card.raw == file.card.raw
    return True


def _look(book: Book) -> None:
    scan(Books([book], "Til", "Bram"), TALK, 200, len)
