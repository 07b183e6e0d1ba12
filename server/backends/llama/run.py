"""A job on its way: what is evaluated of it, where, and when it got there."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.backends.llama.jobs import Job
from server.backends.llama.tree import Tokens
from server.backends.llama.voice import Voice

MIN_PART_TOKENS = 64
"""A part's end is kept where it is so many tokens beyond the last: less is evaluated again sooner than split off."""


@dataclass(slots=True, eq=False)
class Run:
    """`tokens` are the prompt's, and then those drawn; the first `evaluated` of them are in `sequence`.

    A run without a sequence waits for its first step, or for room; while `waiting` it has no part in any step, because
    more urgent jobs have the room. `cached` of the prompt's tokens were there when it first had a sequence. Times are
    in ms of the engine's clock.
    """

    job: Job
    order: int
    tokens: Tokens
    voice: Voice | None
    arrived_ms: float
    sequence: int | None = None
    evaluated: int = 0
    cached: int = 0
    prompt_evaluated: int = 0
    served: int = 0
    waiting: bool = False
    stops: list[int] = field(default_factory=list)
    speaking: bool = False
    begun_ms: float | None = None
    restored_ms: float = 0.0
    read_ms: float | None = None
    first_token_ms: float | None = None

    @property
    def priority(self) -> int:
        """The job's."""
        return self.job.priority

    @property
    def speaks(self) -> bool:
        """The job's."""
        return self.job.speaks

    @property
    def pending(self) -> int:
        """Tokens to be evaluated before anything can be drawn."""
        return len(self.tokens) - self.evaluated

    @property
    def content(self) -> Tokens:
        """What its sequence holds."""
        return self.tokens[: self.evaluated]

    @property
    def to_next_stop(self) -> int:
        """Tokens to be evaluated before a part's end is kept, or before anything can be drawn."""
        return (self.stops[0] if self.stops else len(self.tokens)) - self.evaluated

    def placed(self, sequence: int, length: int) -> None:
        """It has a sequence, which holds `length` tokens already."""
        self.sequence, self.evaluated = sequence, length
        self.stops = []
        last = length
        for bound in self.job.bounds:
            if bound - last >= MIN_PART_TOKENS and bound < len(self.job.tokens):
                self.stops.append(bound)
                last = bound

    def removed(self) -> None:
        """It has lost its sequence, and begins again where it may."""
        self.sequence, self.evaluated, self.stops = None, 0, []

    def times(self, now_ms: float) -> dict[str, float]:
        """Milliseconds, for the last frame; what it did not reach is left out.

        `queue`: until its first step. `restore`: until its prefix was there. `prefill`: until its prompt was read.
        `first_token`: all of it, from its arrival on.
        """
        begun = now_ms if self.begun_ms is None else self.begun_ms
        times = {"queue": begun - self.arrived_ms, "restore": self.restored_ms}
        if self.read_ms is not None:
            times["prefill"] = self.read_ms - begun - self.restored_ms
        if self.first_token_ms is not None:
            times["first_token"] = self.first_token_ms - self.arrived_ms
        return {name: round(ms, 3) for name, ms in times.items()}
