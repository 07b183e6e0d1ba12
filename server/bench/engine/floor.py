"""The floor: what llama.cpp alone takes for the tokens that nobody can do without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from server.bench.engine.child import Child
from server.bench.engine.setup import Setup


class Floor:
    """One bare `llama_decode` of a turn's new tokens beside its old ones, plus one decode step, in a bare process."""

    def __init__(self, setup: Setup) -> None:
        self._child = Child("server.bench.engine.floor_child", setup.arguments)

    async def start(self) -> None:
        """Load the model."""
        await self._child.start()

    async def close(self) -> None:
        """End its process."""
        await self._child.close()

    async def measure_ms(self, cells: int, tokens: int) -> float:
        """Milliseconds for `tokens` new ones after `cells` old ones, and one step."""
        told = await self._child.ask({"cells": cells, "tokens": tokens})
        return float(told["batch_ms"]) + float(told["step_ms"])


class ReadSoFar:
    """What somebody has read, and so how much of a prompt is new to one who forgets nothing."""

    def __init__(self) -> None:
        self._reads: list[tuple[int, ...]] = []

    def add(self, tokens: Iterable[int]) -> None:
        """`tokens` were evaluated, from the first on."""
        self._reads.append(tuple(tokens))

    def new_tokens(self, tokens: Sequence[int]) -> int:
        """How many of `tokens` must be evaluated at least; 1 where all were: the last gives the reply's first token."""
        known = max((_common(tokens, read) for read in self._reads), default=0)
        return max(1, len(tokens) - known)


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    for index, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return index
    return min(len(left), len(right))
