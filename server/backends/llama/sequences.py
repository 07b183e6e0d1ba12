"""The sequences of one context: which numbers are taken, what each holds, and how many cells that is in all.

llama.cpp does not tell how full a context is. Forks share the cells of what they have in common, so this keeps a
ledger of stretches of tokens and of how many sequences own each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from server.backends.llama.model import Chunk, Model


class NoSequence(Exception):
    """Every sequence number is taken."""


class _Stretch:
    """Cells that lie together in every sequence that owns them."""

    __slots__ = ("length", "owners")

    def __init__(self, length: int) -> None:
        self.length = length
        self.owners = 1


class Sequences:
    """Takes and gives back the sequences of `model`, and knows the length of each. All of them start empty."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._held: dict[int, list[_Stretch]] = {}
        self._free = list(range(model.sequences - 1, -1, -1))
        self._used = 0

    @property
    def taken(self) -> int:
        """How many sequences are in use."""
        return len(self._held)

    @property
    def free(self) -> int:
        """How many more can be taken."""
        return len(self._free)

    @property
    def used_cells(self) -> int:
        """Cells of the context that hold a token, whoever owns them."""
        return self._used

    @property
    def free_cells(self) -> int:
        """Cells of the context that hold nothing."""
        return self._model.context - self._used

    def length(self, sequence: int) -> int:
        """Tokens in `sequence`."""
        return sum(stretch.length for stretch in self._held[sequence])

    def own_cells(self, sequences: Iterable[int]) -> int:
        """Cells that would be free if all of `sequences` were given back."""
        owned: dict[_Stretch, int] = {}
        for sequence in sequences:
            for stretch in self._held[sequence]:
                owned[stretch] = owned.get(stretch, 0) + 1
        return sum(stretch.length for stretch, count in owned.items() if count == stretch.owners)

    def take(self) -> int:
        """An empty sequence.

        Raises:
            NoSequence: none is left.
        """
        if not self._free:
            raise NoSequence
        sequence = self._free.pop()
        self._held[sequence] = []
        return sequence

    def fork(self, source: int) -> int:
        """A new sequence with the content of `source`, which costs no cell.

        Raises:
            NoSequence: none is left.
        """
        target = self.take()
        self._model.fork(source, target)
        for stretch in self._held[source]:
            stretch.owners += 1
        self._held[target] = list(self._held[source])
        return target

    def give_back(self, sequence: int) -> None:
        """Empty `sequence`; its number may be taken again."""
        self._model.drop(sequence)
        for stretch in self._held.pop(sequence):
            self._disown(stretch)
        self._free.append(sequence)

    def cut(self, sequence: int, length: int) -> bool:
        """Shorten `sequence` to `length` tokens; False, and no change, where the model's memory cannot."""
        if not self._model.cut(sequence, length):
            return False
        held = self._held[sequence]
        while (excess := self.length(sequence) - length) > 0:
            if excess < held[-1].length:
                self._divide(held[-1], held[-1].length - excess)
            self._disown(held.pop())
        return True

    def restore(self, data: Any, length: int) -> int | None:
        """A new sequence of `length` tokens from what `Model.save` gave; None where that cannot be restored.

        Raises:
            NoSequence: none is left.
        """
        sequence = self.take()
        if not self._model.restore(sequence, data):
            self.give_back(sequence)
            return None
        self._grow(sequence, length)
        return sequence

    def evaluate(self, parts: Sequence[tuple[int, Sequence[int]]]) -> list[int]:
        """Append tokens to sequences, all in one batch; returns the row of logits after each part.

        Raises:
            ContextFull, EngineError: nothing was evaluated.
            ContextLost: all sequences are unusable; `clear` is next.
        """
        rows = self._model.decode([Chunk(sequence, self.length(sequence), tokens) for sequence, tokens in parts])
        for sequence, tokens in parts:
            self._grow(sequence, len(tokens))
        return rows

    def clear(self) -> None:
        """Give back every sequence, whatever the context holds by now."""
        self._model.clear()
        self._free.extend(self._held)
        self._held.clear()
        self._used = 0

    def _grow(self, sequence: int, count: int) -> None:
        held = self._held[sequence]
        if held and held[-1].owners == 1:
            held[-1].length += count
        else:
            held.append(_Stretch(count))
        self._used += count

    def _disown(self, stretch: _Stretch) -> None:
        stretch.owners -= 1
        if not stretch.owners:
            self._used -= stretch.length

    def _divide(self, stretch: _Stretch, at: int) -> None:
        """Make two of `stretch` for all who own it."""
        rest = _Stretch(stretch.length - at)
        rest.owners, stretch.length = stretch.owners, at
        for held in self._held.values():
            if stretch in held:
                held.insert(held.index(stretch) + 1, rest)
