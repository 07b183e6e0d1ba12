"""Generations that a client named, so that it can stop them or look at them from another connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from aiohttp import web

from server.backends.base import Delta, TextDelta

MAX_KEY = 128


@dataclass(slots=True, eq=False)
class Generation:
    """One that runs. `stop` is set by whoever wants it ended; what came until then is its reply."""

    stop: asyncio.Event
    text: str = ""


class Generations:
    """Those that run, by the client's key; clients that send none share the empty one."""

    def __init__(self) -> None:
        self._running: dict[str, list[Generation]] = {}

    def text(self, key: str) -> str:
        """What the newest of this key has said so far."""
        return self._running[key][-1].text if self._running.get(key) else ""

    def stop(self, key: str) -> bool:
        """End all of this key; false where none runs."""
        running = self._running.get(key, [])
        for generation in running:
            generation.stop.set()
        return bool(running)

    async def follow(
        self, key: str, deltas: AsyncGenerator[tuple[int, Delta], None]
    ) -> AsyncGenerator[tuple[int, Delta], None]:
        """`deltas`, until they end or somebody stops them."""
        generation = Generation(asyncio.Event())
        self._running.setdefault(key, []).append(generation)
        stopped = asyncio.create_task(generation.stop.wait(), name="api:stop")
        pending: asyncio.Future[tuple[int, Delta] | None] | None = None
        try:
            async with aclosing(deltas):
                while not generation.stop.is_set():
                    pending = asyncio.ensure_future(anext(deltas, None))
                    await asyncio.wait((pending, stopped), return_when=asyncio.FIRST_COMPLETED)
                    if not pending.done():
                        break
                    entry = pending.result()
                    if entry is None:
                        break
                    if isinstance(entry[1], TextDelta):
                        generation.text += entry[1].text
                    yield entry
                await _ended(pending)
        finally:
            await _ended(pending)
            stopped.cancel()
            self._running[key].remove(generation)
            if not self._running[key]:
                del self._running[key]


GENERATIONS = web.AppKey("generations", Generations)


def listed(
    request: web.Request, key: str | None, deltas: AsyncGenerator[tuple[int, Delta], None]
) -> AsyncGenerator[tuple[int, Delta], None]:
    """`deltas`, listed under the client's key where it sent one."""
    return request.app[GENERATIONS].follow(key[:MAX_KEY], deltas) if key else deltas


async def _ended(pending: asyncio.Future[tuple[int, Delta] | None] | None) -> None:
    """Nobody iterates any more when the stream is closed."""
    if pending is not None and not pending.done():
        pending.cancel()
        await asyncio.wait((pending,))
