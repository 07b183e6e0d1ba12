"""Who has a part in the next step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from server.backends.llama.step_times import StepTimes

FOREGROUND = 8
"""The least priority of what a player waits for: his own turns (10) and scripted ones (8)."""

FOREGROUND_MS, BACKGROUND_MS = 400.0, 110.0
"""How long a step may take. A player's turn starts, and a stop is obeyed, at the end of a step."""


class Candidate(Protocol):
    """What the schedule looks at. `pending` tokens are to be evaluated; `speaking` when the prompt is all read.

    `served` counts the steps had, `order` the arrivals.
    """

    @property
    def priority(self) -> int: ...  # noqa: D102 - told above
    @property
    def speaks(self) -> bool: ...  # noqa: D102
    @property
    def speaking(self) -> bool: ...  # noqa: D102
    @property
    def pending(self) -> int: ...  # noqa: D102
    @property
    def served(self) -> int: ...  # noqa: D102
    @property
    def order(self) -> int: ...  # noqa: D102


C = TypeVar("C", bound=Candidate)


@dataclass(frozen=True, slots=True)
class Plan(Generic[C]):
    """Those that decode a token each, and the one that reads for what is left of `budget_ms`."""

    speaking: Sequence[C]
    reading: C | None
    budget_ms: float


def rank(candidate: Candidate) -> tuple[int, bool, int]:
    """Sorts those who come first to the front."""
    return (-candidate.priority, not candidate.speaks, candidate.order)


def plan(candidates: Iterable[C], times: StepTimes) -> Plan[C]:
    """The next step: only the highest priority there has a part in it, and one prompt is read at a time.

    In the foreground those that speak and the one that reads share the step; a warm does not slow speech of its own
    priority by much. In the background a step is either, and as small as `BACKGROUND_MS` demands; all have their turns.
    """
    waiting = sorted(candidates, key=rank)
    peers = [each for each in waiting if each.priority == waiting[0].priority]
    speaking = [each for each in peers if each.speaking and each.pending == 1]
    reading = next((each for each in peers if each not in speaking), None)
    if peers[0].priority >= FOREGROUND:
        most_ms = FOREGROUND_MS if reading and (reading.speaks or not speaking) else BACKGROUND_MS
        return Plan(speaking, reading, most_ms - (times.decode.ms(len(speaking)) if speaking else 0.0))
    if reading and all(reading.served <= each.served for each in speaking):
        return Plan((), reading, BACKGROUND_MS)
    most = times.decode.within(BACKGROUND_MS, len(speaking))
    return Plan(sorted(speaking, key=lambda each: (each.served, each.order))[:most], None, BACKGROUND_MS)
