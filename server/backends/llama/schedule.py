"""Who has a part in the next step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from server.backends.llama.step_times import StepTimes

FOREGROUND = 8
"""The least priority of what a player waits for: his own turns (10) and scripted ones (8)."""

FOREGROUND_MS, BACKGROUND_MS = 400.0, 110.0
"""How long a step may take at most. A player's turn starts, and a stop is obeyed, at the end of a step."""

TURN_TOKENS = 40
"""What a usual turn evaluates: a background step takes at most a quarter of its time to the first token."""

LONE_TOKENS = 48
"""What a prompt that a player waits for reads at least in a step, however long it takes, while nobody else speaks: on a
slow machine a turn that is read in three steps takes half as long again as in one."""

LEAST_PART = 4
"""A prompt reads for at least this part of a step, however many others speak: with a token a step its player would wait
for all their replies."""

UNFELT_MS = 15.0
"""A background step may always take this long: nobody feels it, and on a fast machine less would be all overhead."""


class Candidate(Protocol):
    """What the schedule looks at. `pending` tokens are to be evaluated; `speaking` when the prompt is all read.

    `served` counts the steps had, `order` the arrivals.
    """

    @property
    def priority(self) -> int: ...  # noqa: D102 - told above
    @property
    def speaks(self) -> bool: ...  # noqa: D102 - told above
    @property
    def speaking(self) -> bool: ...  # noqa: D102 - told above
    @property
    def pending(self) -> int: ...  # noqa: D102 - told above
    @property
    def served(self) -> int: ...  # noqa: D102 - told above
    @property
    def order(self) -> int: ...  # noqa: D102 - told above


C = TypeVar("C", bound=Candidate)


@dataclass(frozen=True, slots=True)
class Plan(Generic[C]):
    """Those that decode a token each, and the one that reads for what is left of `budget_ms`, or `least` tokens."""

    speaking: Sequence[C]
    reading: C | None
    budget_ms: float
    least: int = 1


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
        most_ms = FOREGROUND_MS if reading and (reading.speaks or not speaking) else background_ms(times)
        if not speaking:
            return Plan((), reading, most_ms, least=LONE_TOKENS if peers[0].speaks else 1)
        left_ms = max(most_ms - times.decode.ms(len(speaking)), most_ms / LEAST_PART)
        return Plan(speaking, reading, left_ms)
    most_ms = background_ms(times)
    if reading and all(reading.served <= each.served for each in speaking):
        return Plan((), reading, most_ms)
    most = times.decode.within(most_ms, len(speaking))
    return Plan(sorted(speaking, key=lambda each: (each.served, each.order))[:most], None, most_ms)


def background_ms(times: StepTimes) -> float:
    """How long a step in the background may take."""
    turn_ms = times.prefill.ms(TURN_TOKENS) + times.decode.ms(1)
    return min(BACKGROUND_MS, max(UNFELT_MS, turn_ms / 4))


def first_token_ms(candidates: Iterable[C], one: C, new_tokens: int, times: StepTimes) -> float:
    """How long the first token of `one`, with `new_tokens` to evaluate, takes while `candidates` are there too.

    Those before it read their prompts first, each in the time of its whole batches; those that speak meanwhile slow
    every step. What comes later with a higher priority is not foreseen.
    """
    before = [each for each in candidates if each is not one and rank(each) < rank(one)]
    prompts = [each.pending for each in before if not (each.speaking and each.pending == 1)]
    speaking = len(before) - len(prompts)
    reading_ms = [times.reading_ms(tokens) for tokens in (*prompts, new_tokens)]
    steps = sum(max(1, round(ms / FOREGROUND_MS)) for ms in reading_ms)
    return sum(reading_ms) + steps * (times.decode.ms(speaking) if speaking else 0.0)
