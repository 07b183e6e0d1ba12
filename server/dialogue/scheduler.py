"""One turn at a time for each NPC of a world; who waits goes by priority, then by arrival."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

PLAYER = 10
SCRIPTED = 8
AMBIENT = 2
BACKGROUND = 0


@dataclass(slots=True)
class _Queue:
    busy: bool = False
    waiting: list[tuple[int, int, asyncio.Future[None]]] = field(default_factory=list)


class Scheduler:
    """Hands out the right to speak as one NPC of one world."""

    def __init__(self) -> None:
        self._queues: dict[tuple[str, str], _Queue] = {}
        self._arrival = itertools.count()

    @asynccontextmanager
    async def slot(self, world: str, npc: str, priority: int) -> AsyncIterator[None]:
        """Hold the NPC's voice. Higher `priority` goes first among those that wait."""
        key = (world, npc)
        queue = self._queues.setdefault(key, _Queue())
        if queue.busy:
            await self._wait(key, queue, priority)
        queue.busy = True
        try:
            yield
        finally:
            self._pass_on(key, queue)

    async def _wait(self, key: tuple[str, str], queue: _Queue, priority: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(queue.waiting, (-priority, next(self._arrival), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on(key, queue)
            raise

    def _pass_on(self, key: tuple[str, str], queue: _Queue) -> None:
        if not self._wake_next(queue):
            del self._queues[key]

    @staticmethod
    def _wake_next(queue: _Queue) -> bool:
        # `busy` stays true while the voice passes from hand to hand, so nobody slips in between.
        while queue.waiting:
            _, _, turn = heapq.heappop(queue.waiting)
            if not turn.done():
                turn.set_result(None)
                return True
        queue.busy = False
        return False
