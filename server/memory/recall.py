"""What an NPC remembers when something is said: the question, the answer, and the retriever's interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from server.memory.database import Connection
from server.memory.facts import Fact
from server.memory.records import StoredEvent
from server.memory.timeline import NO_END, VisiblePath

HALF_LIFE_H = 240.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is looked for.

    Nothing from `before` on (a seq) is recalled, and nothing in `exclude`: it stands in the prompt. `now_s` is the
    game's time, which "yesterday" counts from; without it the newest event's time is taken. `place` is
    the scene's. `half_life_h` is how many game hours halve what recency adds. `weekdays` are the
    world's names of its days, the first that of day 0.
    """

    text: str
    limit: int
    before: int = NO_END
    exclude: frozenset[int] = frozenset()
    now_s: float | None = None
    place: str = ""
    half_life_h: float = HALF_LIFE_H
    weekdays: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recalled:
    """One memory: an event, or what a fact or some of its sentences say of it.

    `text` is what is told. `fact` is set where it is that fact's text, and `former` where the fact took the place of
    another: what held before. `hop` is 1, or 2 where the words of a first memory led to it. `why` are the parts that
    made the score, each as it counted.
    """

    event: StoredEvent
    text: str
    score: float
    fact: Fact | None = None
    former: str = ""
    hop: int = 1
    why: Mapping[str, float] = field(default_factory=dict)


class Retriever(Protocol):
    """Picks memories. It runs in the database's read thread."""

    def recall(self, connection: Connection, path: VisiblePath, npc: str, question: Question) -> list[Recalled]:
        """At most `question.limit` memories of events that `npc` witnessed along `path`, best first, one per event."""
