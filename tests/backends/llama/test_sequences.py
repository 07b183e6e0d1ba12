from __future__ import annotations

import ctypes
from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.backends.llama.model import Chunk, ContextFull, EngineError, Model
from server.backends.llama.sequences import NoSequence, Sequences


class Ledger:
    """A model that only notes: each sequence is a list of the cells that it owns."""

    def __init__(self, sequences: int = 6, context: int = 10_000) -> None:
        self.sequences, self.context, self.can_cut = sequences, context, True
        self.cells: dict[int, list[object]] = {}

    def fork(self, source: int, target: int) -> None:
        self.cells[target] = list(self.cells.get(source, []))

    def drop(self, sequence: int) -> None:
        self.cells.pop(sequence, None)

    def cut(self, sequence: int, length: int) -> bool:
        if self.can_cut:
            del self.cells.setdefault(sequence, [])[length:]
        return self.can_cut

    def clear(self) -> None:
        self.cells.clear()

    def restore(self, sequence: int, data: list[object]) -> bool:
        self.cells[sequence] = [object() for _ in data]
        return True

    def decode(self, chunks: list[Chunk]) -> list[int]:
        for chunk in chunks:
            held = self.cells.setdefault(chunk.sequence, [])
            assert chunk.position == len(held)
            held.extend(object() for _ in chunk.tokens)
        return [0] * len(chunks)

    def used(self) -> int:
        return len({cell for cells in self.cells.values() for cell in cells})


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["take", "fork", "evaluate", "evaluate", "cut", "give_back", "restore"]),
        st.integers(0, 99),
        st.integers(0, 20),
    ),
    max_size=60,
)


@given(ACTIONS)
def test_it_knows_how_many_cells_are_in_use(actions: list[tuple[str, int, int]]) -> None:
    ledger: Any = Ledger()
    sequences = Sequences(ledger)
    held: list[int] = []
    for action, which, count in actions:
        one = held[which % len(held)] if held else None
        if action in ("take", "restore", "fork") and not sequences.free:
            with pytest.raises(NoSequence):
                sequences.take()
        elif action == "take":
            held.append(sequences.take())
        elif action == "restore":
            restored = sequences.restore([0] * count, count)
            assert restored is not None
            held.append(restored)
        elif one is None:
            continue
        elif action == "fork":
            held.append(sequences.fork(one))
        elif action == "evaluate":
            sequences.evaluate([(one, [5] * (count + 1))])
        elif action == "cut":
            assert sequences.cut(one, min(count, sequences.length(one)))
        else:
            held.remove(one)
            sequences.give_back(one)
        assert sequences.used_cells == ledger.used()
        assert [sequences.length(each) for each in held] == [len(ledger.cells.get(each, [])) for each in held]
        own = held[: len(held) // 2]
        others = {cell for each in held if each not in own for cell in ledger.cells.get(each, [])}
        mine = {cell for each in own for cell in ledger.cells.get(each, [])}
        assert sequences.own_cells(own) == len(mine - others)
    for each in held:
        sequences.give_back(each)
    assert (sequences.used_cells, sequences.taken, sequences.free) == (0, 0, 6)


def test_a_memory_that_cannot_cut_leaves_the_sequence_as_it_was() -> None:
    ledger: Any = Ledger()
    ledger.can_cut = False
    sequences = Sequences(ledger)
    one = sequences.take()
    sequences.evaluate([(one, [5] * 10)])
    assert not sequences.cut(one, 4)
    assert (sequences.length(one), sequences.used_cells) == (10, 10)


@pytest.mark.engine
def test_the_ledger_is_right_about_the_real_context(model: Model) -> None:
    sequences = Sequences(model)
    one = sequences.take()
    sequences.evaluate([(one, array("i", [30] * 400))])
    forks = [sequences.fork(one) for _ in range(4)]
    saved = model.save(forks[0])
    for fork in forks:
        sequences.evaluate([(fork, array("i", [31] * 20))])
    sequences.give_back(one)
    assert sequences.restore(saved, 400) is not None
    assert sequences.used_cells == 400 + 80 + 400
    sequences.evaluate([(forks[0], array("i", [32] * sequences.free_cells))])
    assert sequences.free_cells == 0
    with pytest.raises(ContextFull):
        sequences.evaluate([(forks[1], array("i", [33]))])
    sequences.give_back(forks[0])
    sequences.evaluate([(forks[1], array("i", [33] * sequences.free_cells))])


@pytest.mark.engine
def test_a_token_that_does_not_exist_changes_nothing(model: Model) -> None:
    sequences = Sequences(model)
    one = sequences.take()
    sequences.evaluate([(one, array("i", [30] * 10))])
    with pytest.raises(EngineError, match="refused"):
        sequences.evaluate([(one, array("i", [10**6]))])
    sequences.evaluate([(one, array("i", [30]))])
    assert sequences.length(one) == 11


@pytest.mark.engine
@pytest.mark.parametrize("data", [b"", b"nonsense", b"\0" * 5_000])
def test_what_is_no_state_is_not_restored(model: Model, data: bytes) -> None:
    sequences = Sequences(model)
    assert sequences.restore((ctypes.c_uint8 * len(data)).from_buffer_copy(data), 10) is None
    assert sequences.taken == 0
