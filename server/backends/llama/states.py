"""What was evaluated and may be needed again, at three levels: in the context, in memory, on disk.

A state is what a sequence holds after an exact run of tokens. In the context it costs nothing to fork, but its cells
tax every step; from memory it is back in about a millisecond for a thousand tokens; from disk in some ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from server.backends.llama.archive import Archive
from server.backends.llama.disk import StateFiles
from server.backends.llama.model import Model
from server.backends.llama.sequences import Sequences
from server.backends.llama.state import Kind, State, StateTree
from server.backends.llama.tree import Tokens

RESIDENT_HEADS = 2
"""Ends of talks, with what leads to them, that stay in the context while nothing happens: who spoke last, and before.

Attention passes over every cell in use, whoever owns it. On a processor a thousand cells of somebody else cost a turn
as much as bringing a thousand tokens back from memory does, and they cost it each time.
"""

MIN_CUT_TOKENS = 16
"""Where a memory can cut a tail, a longer state is cut for at least this many tokens more."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where a prompt begins: a sequence that holds its first `length` tokens, and the logits after all of it."""

    sequence: int
    length: int
    logits: bytes | None = None


class NoRoom(Exception):
    """The context has no room, though no state but those of running jobs is left in it."""


class States:
    """The states kept of one model. A sequence given to `keep` belongs to it; one that `begin` gives does not."""

    def __init__(self, model: Model, sequences: Sequences, *, ram_bytes: int, files: StateFiles | None = None) -> None:
        self._model = model
        self._sequences = sequences
        self._ram_cap = ram_bytes
        self._tree = StateTree()
        self._states: set[State] = set()
        self._archive = Archive(model, files, self._tree, self._settle)
        self._ram = 0
        self._clock = 0
        for state in self._archive.open():
            state.used = self._tick()
            self._add(state)

    def begin(self, prompt: Tokens, bounds: Sequence[int] = (), spare_cells: int = 0) -> Base:
        """A sequence with as much of `prompt` as is kept anywhere; an empty one at worst. Parts of it end at `bounds`.

        Nothing is restored unless `spare_cells` are free beside it.

        Raises:
            NoRoom: also after every state has left the context.
        """
        self._touch(prompt, bounds)
        path = list(self._tree.usable(prompt))
        base = self._cut_to(prompt, path[-1][0] if path else 0, spare_cells)
        while base is None and path:
            length, state = path.pop()
            logits = state.logits if length == len(prompt) else None
            sequence = self._enter(state, spare_cells)
            if sequence is not None:
                base = Base(sequence, length, logits)
        return base or Base(self._take(), 0)

    def longest(self, prompt: Tokens) -> int:
        """How many tokens of `prompt` the longest state holds that it begins with."""
        return max((length for length, _ in self._tree.usable(prompt)), default=0)

    def keep(
        self, sequence: int, tokens: Tokens, kind: Kind, *, logits: bytes | None = None, replaces: int = 0
    ) -> None:
        """Keep what `sequence` holds, which is `tokens`.

        Ends on the way to it that hold less than `replaces` tokens go, as told in `Kind`.
        """
        if kind is Kind.PART and not self._tree.is_part(tokens):
            kind = Kind.PROMPT
        state = self._tree.get(tokens)
        if state is None:
            state = State(tokens, kind, 0)
            self._add(state)
        elif kind is not Kind.PROMPT and state.kind is not Kind.PART:
            state.kind = kind
        state.used = self._tick()
        if state.sequence is None:
            state.sequence = sequence
        else:
            self._sequences.give_back(sequence)
        if logits is not None:
            self._ram += len(logits) - len(state.logits or b"")
            state.logits = logits
        for old in self._tree.outdated(state, kind, replaces):
            self._retire(old)
        self._fit_ram()

    def fork(self, sequence: int, tokens: Tokens, kind: Kind, **more: Any) -> None:
        """As `keep`, of a fork of `sequence`. Where no number is left for it, it is not kept."""
        if self.make_room(0, 1):
            self.keep(self._sequences.fork(sequence), tokens, kind, **more)

    def make_room(self, cells: int, numbers: int, spare: State | None = None) -> bool:
        """Have the least recently used states, but `spare`, leave the context until so much is free in it."""
        while self._sequences.free_cells < cells or self._sequences.free < numbers:
            victims = [state for state in self._residents() if state is not spare]
            if not victims:
                return False
            self._leave(victims[0])
        return True

    def tidy(self) -> bool:
        """Do a little of what can wait: have one state that is not of the scene leave the context. False when done."""
        surplus = self._surplus()
        if surplus is None:
            return False
        self._leave(surplus)
        return True

    def save(self) -> bool:
        """Write a piece of what should be on disk and is not; False when everything is."""
        return self._archive.save(self._states)

    def lose_context(self) -> None:
        """The context is empty: so much for what was there alone."""
        for state in self._residents():
            state.sequence = None
            self._settle(state)

    def stats(self) -> dict[str, dict[str, int]]:
        """How many states are at each level, and the cells or bytes they take there."""
        residents = [state.sequence for state in self._states if state.sequence is not None]
        return {
            "context": {"count": len(residents), "cells": self._sequences.own_cells(residents)},
            "ram": {"count": sum(state.data is not None for state in self._states), "bytes": self._ram},
            "disk": {
                "count": sum(state.file is not None for state in self._states),
                "bytes": self._archive.total_bytes,
            },
        }

    def _tick(self) -> int:
        self._clock += 1
        return self._clock

    def _touch(self, prompt: Tokens, bounds: Sequence[int]) -> None:
        """Count all that `prompt` begins with as used, and what ends with one of its parts as a part."""
        now = self._tick()
        for length, state in self._tree.along(prompt):
            state.used = now
            if length in bounds and length < len(prompt) and self._tree.is_part(state.tokens):
                state.kind = Kind.PART

    def _take(self) -> int:
        if not self.make_room(0, 1):
            raise NoRoom
        return self._sequences.take()

    def _residents(self) -> list[State]:
        """States in the context, least recently used first."""
        inside = [state for state in self._states if state.sequence is not None]
        return sorted(inside, key=lambda state: (state.used, len(state.tokens)))

    def _enter(self, state: State, spare_cells: int) -> int | None:
        """A sequence of its own that holds `state`; None where the state turned out to be lost."""
        if state.sequence is not None:
            if not self.make_room(0, 1, spare=state):
                raise NoRoom
            return self._sequences.fork(state.sequence)
        if not self.make_room(len(state.tokens) + spare_cells, 1):
            raise NoRoom
        if state.data is None:
            if not self._archive.read(state):
                return None
            self._ram += state.ram_bytes
        sequence = self._sequences.restore(state.data, len(state.tokens))
        if sequence is None:
            self._forget(state)
        self._fit_ram()
        return sequence

    def _cut_to(self, prompt: Tokens, kept: int, spare_cells: int) -> Base | None:
        """Where tails can be cut: a state that goes on otherwise than `prompt`, cut to what they have in common."""
        if not self._model.can_cut:
            return None
        # One token at least is left to evaluate: there are no logits after a cut.
        length, found = self._tree.nearest(prompt[:-1])
        if length < kept + MIN_CUT_TOKENS:
            return None
        state = max(found, key=lambda state: (state.sequence is not None, state.data is not None, state.used))
        sequence = self._enter(state, spare_cells)
        if sequence is None:
            return None
        self._sequences.cut(sequence, length)
        return Base(sequence, length)

    def _leave(self, state: State) -> None:
        """Take `state` out of the context, to memory if it is worth it."""
        if state.sequence is None:
            return
        worth = state.data is None and self._tree.is_worth_keeping(state)
        if worth and self._model.state_bytes(state.sequence) <= self._ram_cap:
            state.data = self._model.save(state.sequence)
            self._ram += len(state.data)
        self._sequences.give_back(state.sequence)
        state.sequence = None
        self._settle(state)
        self._fit_ram()

    def _surplus(self) -> State | None:
        """The state that should leave the context first, if one should."""
        residents = self._residents()
        stay: set[State] = set()
        heads = 0
        for state in reversed(residents):
            if state not in stay and heads < RESIDENT_HEADS:
                heads += 1
                stay.update(each for _, each in self._tree.along(state.tokens))
        leaving = next((state for state in residents if state not in stay), None)
        crowded = self._sequences.used_cells * 2 > self._model.context
        return leaving or (residents[0] if crowded and heads > 1 else None)

    def _fit_ram(self) -> None:
        """Keep the cap. What is in the context too goes first, then ends of prompts, then the least recently used."""
        while self._ram > self._ram_cap:
            inside = [state for state in self._states if state.data is not None]
            if not inside:
                return
            state = min(inside, key=lambda each: (each.sequence is None, each.kind is not Kind.PROMPT, each.used))
            if state.sequence is None:
                self._archive.write(state)
            self._ram -= len(state.data)
            state.data = None
            self._settle(state)

    def _add(self, state: State) -> None:
        self._tree.put(state.tokens, state)
        self._states.add(state)

    def _settle(self, state: State) -> None:
        """Forget `state` if it is nowhere any more."""
        if state.sequence is None and state.data is None:
            self._ram -= state.ram_bytes
            state.logits = None
        if state.nowhere:
            self._forget(state)

    def _retire(self, state: State) -> None:
        """Give up `state`; what is on disk stays there until what replaces it is."""
        self._ram -= state.ram_bytes
        state.data = state.logits = None
        if state.sequence is not None:
            self._sequences.give_back(state.sequence)
            state.sequence = None
        self._settle(state)

    def _forget(self, state: State) -> None:
        """Give up `state` at every level."""
        if state not in self._states:
            return
        self._states.discard(state)
        self._tree.remove(state.tokens)
        self._archive.remove(state)
        self._retire(state)
