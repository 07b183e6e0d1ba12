"""Calls in rounds: in each round every contestant has its turn, so that a moment of the machine meets all of them."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from server.app import settle
from server.bench.figures import Spread
from server.bench.route.contestants import Call, Contestant, Direct, Routed
from server.bench.route.peers import litellm, upstream
from server.bench.route.report import Measured
from server.bench.route.upstream import MODEL

WARM_UP_ROUNDS: Final = 10
CALLS_A_ROUND: Final = 20
BREATH_S: Final = 0.05
"""Before each turn of a contestant: a proxy goes on with its own affairs after a reply."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is measured: for each number of calls at once, `calls` of each contestant.

    `litellm` is the command that starts LiteLLM's proxy; None leaves it out.
    """

    at_once: Sequence[int]
    calls: int
    litellm: Path | None = None


async def measure(setup: Setup) -> list[Measured]:
    """All rows; progress goes to stderr.

    Raises:
        BarkeepError: a process did not start, or a call failed.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="barkeep-bench-")))
        base_url = await stack.enter_async_context(upstream())
        contestants: list[Contestant] = [Direct("direct", base_url), Routed(base_url, folder)]
        for contestant in contestants:
            stack.push_async_callback(contestant.close)
        if setup.litellm is not None:
            _tell("starting LiteLLM's proxy …")
            proxy = await stack.enter_async_context(litellm(setup.litellm, base_url, MODEL, folder))
            contestants.append(Direct("litellm", proxy.base_url, proxy.key))
            stack.push_async_callback(contestants[-1].close)
        settle()
        return [await _row(contestants, at_once, setup.calls) for at_once in setup.at_once]


async def _row(contestants: Sequence[Contestant], at_once: int, calls: int) -> Measured:
    _tell(f"{at_once} at once, {calls} calls each …")
    found: dict[str, list[Call]] = {contestant.name: [] for contestant in contestants}
    waves = max(1, CALLS_A_ROUND // at_once)
    order = deque(contestants)
    for _ in range(WARM_UP_ROUNDS):
        for contestant in order:
            await _wave(contestant, at_once)
    while min(map(len, found.values())) < calls:
        for contestant in order:
            await asyncio.sleep(BREATH_S)
            await _wave(contestant, at_once)  # not counted: after the breath and the others everything is cold
            for _ in range(waves):
                found[contestant.name] += await _wave(contestant, at_once)
        order.rotate()
    return Measured(
        at_once=at_once,
        first_text={name: Spread.of(call.first_text_ns for call in made) for name, made in found.items()},
        whole={name: Spread.of(call.whole_ns for call in made) for name, made in found.items()},
    )


async def _wave(contestant: Contestant, at_once: int) -> list[Call]:
    """So many calls that begin together, to the end of the last one."""
    if at_once == 1:
        return [await contestant.call()]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(contestant.call(), name="bench call") for _ in range(at_once)]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None  # one is enough to give up, and to be told
    return [task.result() for task in tasks]


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
