"""Which jobs have a place in the context: the more urgent take it from the less, and all get it back in time."""

from __future__ import annotations

from collections.abc import Mapping

from server.backends.llama.run import Run
from server.backends.llama.schedule import rank
from server.backends.llama.sequences import Sequences
from server.backends.llama.state import Kind
from server.backends.llama.states import Base, NoRoom, States

RESUME_TOKENS = 32
"""Cells that must be free for a job that lost its place before it is brought back: it would only lose it again."""


class Placement:
    """Gives sequences and room to `runs`, which its owner changes; `context` is the number of cells in all."""

    def __init__(self, states: States, sequences: Sequences, context: int, runs: Mapping[int, Run]) -> None:
        self._states = states
        self._sequences = sequences
        self._context = context
        self._runs = runs

    def place(self, run: Run, planned: int) -> Base:
        """Give `run` a sequence with as much of its tokens as there is, beside `planned` cells for others.

        Raises:
            NoRoom: while more urgent jobs have it.
        """
        spare_cells = planned + min(RESUME_TOKENS, self._context - len(run.tokens))
        while True:
            try:
                base = self._from_another(run) or self._states.begin(run.tokens, run.job.bounds, spare_cells)
                break
            except NoRoom:
                self._park_below(run)
        run.placed(base.sequence, base.length)
        return base

    def make_room(self, run: Run, cells: int) -> None:
        """Free `cells` cells, for a step in which `run` has a part.

        Raises:
            NoRoom: while more urgent jobs have it.
        """
        while not self._states.make_room(cells, 0):
            self._park_below(run)

    def free_something(self) -> bool:
        """Free whatever is not the most urgent job's; False where it has all there is."""
        taken = self._sequences.taken
        self._states.make_room(self._context, 0)
        if self._sequences.taken < taken:
            return True
        holders = self._holders()
        if len(holders) > 1:
            self._park(max(holders, key=rank))
        return len(holders) > 1

    def is_alone(self, run: Run) -> bool:
        """True when no other job has a place."""
        return all(other is run for other in self._holders())

    def wake(self) -> None:
        """There may be more room than there was, for those who wait for it."""
        for run in self._runs.values():
            run.waiting = False

    def _from_another(self, run: Run) -> Base | None:
        """A fork of another job's sequence, where that holds more of what `run` begins with than any state."""
        kept = self._states.longest(run.tokens)
        others = [
            other
            for other in self._holders()
            if kept < other.evaluated < len(run.tokens) and other.content == run.tokens[: other.evaluated]
        ]
        if not others or not self._states.make_room(0, 1):
            return None
        best = max(others, key=lambda other: other.evaluated)
        return Base(self._sequences.fork(best.sequence or 0), best.evaluated)

    def _park_below(self, run: Run) -> None:
        """Take the place of the least urgent job below `run`.

        Raises:
            NoRoom: there is none below it.
        """
        below = [other for other in self._holders() if rank(other) > rank(run)]
        if not below:
            raise NoRoom
        self._park(max(below, key=rank))

    def _park(self, run: Run) -> None:
        """Take the place of `run`; what was evaluated of it is kept, while there is room."""
        if run.sequence is not None:
            self._states.keep(run.sequence, run.content, Kind.PROMPT)
        run.removed()
        self.wake()

    def _holders(self) -> list[Run]:
        return [run for run in self._runs.values() if run.sequence is not None]
