"""How well a memory answers a question. Pure logic.

The words that count are weighed as in BM25 (https://en.wikipedia.org/wiki/Okapi_BM25): rare ones in this NPC's life
count for more, a short text for more than a long one. A turn of a talk is also about what stands around it, so a part
of its neighbours' scores is its own. What else speaks for a memory multiplies: alone it brings nothing back.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache

from server.memory.facts import Fact
from server.memory.recall_wants import Want, asks, gives
from server.memory.records import StoredEvent
from server.memory.when import HOUR_S, Span
from server.text.words import words

SATURATION = 1.2
LENGTH_SHARE = 0.5
USUAL_WORDS = 12.0
NEIGHBOUR_SHARES = (0.45, 0.2, 0.1)
"""Of what the texts before and after it say, the nearest first."""
ANSWER_SHARE = 0.8
"""Of the question that somebody else asked just before it."""
RECENCY_SHARE = 0.15
IMPORTANCE_SHARE = 0.15
FORGETTING = 3.0
"""Importance fades so many times more slowly than recency, and what matters most five times more slowly again."""
PLACE_SHARE = 0.1
SPEAKER_SHARE = 0.5
TIME_SHARE = 0.8
WANTED_SHARE = 0.3
SUBSTANCE_SHARE = 0.5
SUBSTANCE_WORDS = 10
"""So many content words and more make a text one of substance: "What? Who?" tells nothing."""
QUESTION_SHARE = -0.3
"""Who asks does not tell."""
LONG_CHARACTERS = 120
SPENT_SHARE = 0.1

_CACHED_TEXTS = 32_768

_BREAK = re.compile(r"(?<=[.!?\u2026])[\"')\]]*\s+|(?<=[\u3002\uff01\uff1f])|\n+")


@dataclass(frozen=True)  # no slots: `most` is kept
class Asked:
    """A question as it is weighed: its words with their weights, and what else speaks for a memory."""

    weights: Mapping[str, float]
    now_s: float | None
    span: Span | None
    place: str
    half_life_h: float
    want: Want

    @cached_property
    def most(self) -> float:
        """What a text that holds every word once may score."""
        return sum(self.weights.values()) or 1.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """An event on its way to being recalled; `lexical` is what its words and its neighbours' make of the most."""

    event: StoredEvent
    facts: Sequence[Fact]
    lexical: float
    score: float
    lifts: Mapping[str, float]

    @property
    def why(self) -> dict[str, float]:
        """The parts of the score: words from 0 to about 2, and by what share each other part lifted that."""
        return {"words": round(self.lexical, 3), **{name: round(lift, 3) for name, lift in self.lifts.items() if lift}}


def inverse_frequency(rows: int, of: int) -> float:
    """The weight of a word that stands in `rows` of `of` texts."""
    return math.log(1.0 + (max(of, rows) - rows + 0.5) / (rows + 0.5))


def lexical(text: str, weights: Mapping[str, float], signed_by: str = "") -> float:
    """The words of `text`, and of the name it is signed with, that are asked for, weighed."""
    counts, length = _counted(text)
    name = words(signed_by) if signed_by else ()
    held = {word: counts[word] for word in counts.keys() & weights.keys()}
    for word in name:
        if word in weights:
            held[word] = held.get(word, 0) + 1
    if not held:
        return 0.0
    norm = SATURATION * (1.0 - LENGTH_SHARE + LENGTH_SHARE * (length + len(name)) / USUAL_WORDS)
    return sum(weights[word] * count * (SATURATION + 1.0) / (count + norm) for word, count in held.items())


def held_in(text: str) -> Set[str]:
    """The words of `text`."""
    return _counted(text)[0].keys()


@lru_cache(maxsize=_CACHED_TEXTS)  # every question meets the same texts again
def _counted(text: str) -> tuple[dict[str, int], int]:
    held = words(text)
    return dict(Counter(held)), len(held)


def weighed(event: StoredEvent, facts: Sequence[Fact], words_of: float, asked: Asked) -> Candidate:
    """An event with its score; `words_of` is what its words and its neighbours' are worth."""
    importance = max([event.importance, *(fact.importance for fact in facts)])
    # What matters is forgotten more slowly, and never in a short half-life.
    half_lives = FORGETTING * (1.0 + 4.0 * importance)
    lifts = {
        "recency": RECENCY_SHARE * _left(event.time, asked, 1.0),
        "importance": IMPORTANCE_SHARE * importance * _left(event.time, asked, half_lives),
        "place": PLACE_SHARE * bool(asked.place and event.place == asked.place),
        "speaker": SPEAKER_SHARE * _is_of(event, asked),
        "time": TIME_SHARE * _is_then(event, facts, asked.span),
        "wanted": WANTED_SHARE * gives(event.text, asked.want),
        "substance": SUBSTANCE_SHARE * min(1.0, _counted(event.text)[1] / SUBSTANCE_WORDS),
        "question": QUESTION_SHARE * asks(event.text),
    }
    share = words_of / asked.most
    return Candidate(event, facts, share, share * (1.0 + sum(lifts.values())), lifts)


def _left(time_s: float | None, asked: Asked, half_lives: float) -> float:
    """What is left of 1 since then, halved every so many half-lives of the NPC; where no time is known, all of it."""
    if time_s is None or asked.now_s is None:
        return 1.0
    return float(0.5 ** (max(0.0, asked.now_s - time_s) / HOUR_S / (asked.half_life_h * half_lives)))


def _is_of(event: StoredEvent, asked: Asked) -> bool:
    """Whether somebody whom the question names said it."""
    return any(word in asked.weights for word in words(event.speaker_name))


def _is_then(event: StoredEvent, facts: Sequence[Fact], span: Span | None) -> bool:
    if span is None:
        return False
    times = (event.time, *(fact.when_s for fact in facts))
    return any(time_s is not None and span.holds(time_s) for time_s in times)


def excerpt(text: str, weights: Mapping[str, float]) -> str:
    """The sentences of a long text that answer best, as they stand; a short text whole."""
    if len(text) <= LONG_CHARACTERS:
        return text
    parts = [part for part in _BREAK.split(text) if part.strip()]
    best, best_score = text, -1.0
    for start in range(len(parts)):
        taken = ""
        for part in parts[start:]:
            if taken and len(taken) + len(part) + 1 > LONG_CHARACTERS:
                break
            taken = f"{taken} {part}".strip()
        score = lexical(taken, weights)
        if score > best_score + 1e-9:
            best, best_score = taken, score
    return best
