"""From what was told to shares of questions: who brings the evidence into how many tokens."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from server.bench.memory.dialogues import Asked, Dialogue
from server.bench.memory.methods import Method, Told

BUDGETS = (120, 300, 450, 900)
Count = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Row:
    """One method at one budget. Shares are of all questions; `leaks` counts turns told that must never be."""

    method: str
    budget_tokens: int
    any_evidence: float
    all_evidence: float
    by_kind: dict[str, float]
    tokens_mean: float
    leaks: int
    ms_p50: float
    ms_p99: float


@dataclass(slots=True)
class _Tally:
    any: list[bool] = field(default_factory=list)
    all: list[bool] = field(default_factory=list)
    kinds: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    tokens: list[int] = field(default_factory=list)
    leaks: int = 0


def by_characters(text: str) -> int:
    """Tokens where no vocabulary is given: a token of every four characters begun."""
    return math.ceil(len(text) / 4)


async def measure(
    method: Method, dialogues: Iterable[Dialogue], budgets: Sequence[int] = BUDGETS, count: Count = by_characters
) -> list[Row]:
    """Ask every question of every dialogue."""
    tallies = {budget: _Tally() for budget in budgets}
    times_ms: list[float] = []
    for dialogue in dialogues:
        await method.learn(dialogue)
        for question in dialogue.questions:
            begun = time.perf_counter()
            told = await method.recall(question.text)
            times_ms.append((time.perf_counter() - begun) * 1_000)
            costs = [count(one.text) for one in told]
            for budget, tally in tallies.items():
                _add(tally, question, dialogue.hidden, *_packed(told, costs, budget))
    p50, p99 = percentile(times_ms, 50), percentile(times_ms, 99)
    return [_row(method.name, budget, tally, p50, p99) for budget, tally in tallies.items()]


def _packed(told: Sequence[Told], costs: Sequence[int], budget: int) -> tuple[list[Told], int]:
    """As the prompt does it: the best first, and a long one does not keep out a shorter one behind it."""
    left = budget
    kept = []
    for one, cost in zip(told, costs, strict=True):
        if cost <= left:
            left -= cost
            kept.append(one)
    return kept, budget - left


def _add(tally: _Tally, question: Asked, hidden: frozenset[str], kept: list[Told], tokens: int) -> None:
    must_tell = question.must_tell.casefold()
    found = {turn for one in kept if must_tell in one.text.casefold() for turn in one.turns}
    hit = [turn in found for turn in question.evidence]
    tally.any.append(any(hit))
    tally.all.append(bool(hit) and all(hit))
    tally.kinds[question.kind or "all"].append(any(hit))
    tally.tokens.append(tokens)
    tally.leaks += sum(len(one.turns & hidden) for one in kept)


def _row(method: str, budget: int, tally: _Tally, p50: float, p99: float) -> Row:
    kinds = {kind: _share(hits) for kind, hits in sorted(tally.kinds.items())}
    tokens = round(sum(tally.tokens) / max(1, len(tally.tokens)), 1)
    return Row(method, budget, _share(tally.any), _share(tally.all), kinds, tokens, tally.leaks, p50, p99)


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 4) if hits else 0.0


def percentile(times_ms: Sequence[float], percent: float) -> float:
    """The nearest rank; 0 of nothing."""
    if not times_ms:
        return 0.0
    return round(sorted(times_ms)[math.ceil(percent / 100 * len(times_ms)) - 1], 3)
