"""The routes of this server, in the order in which they are asked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import structlog

from server.backends.base import Backend, Progress, Request, RouteState
from server.routing.answer import Answer, BuildRequest
from server.routing.limits import TurnLimits

__all__ = ["Answer", "Router"]

_log = structlog.get_logger(__name__)


class Router:
    """Owns the backends, and the reading-on of prompts whose answer came too late."""

    def __init__(self, backends: Sequence[Backend], *, clock: Callable[[], float] = time.monotonic) -> None:
        """`backends` in the order in which they are asked; `clock` returns seconds and never goes back."""
        self._backends = tuple(backends)
        self._clock = clock
        self._warming: dict[asyncio.Task[None], str] = {}

    async def start(self) -> None:
        """Start every backend; they load on their own time."""
        for backend in self._backends:
            await backend.start()

    async def close(self) -> None:
        """End background reading, then every backend, also where one of them fails to end. Idempotent.

        Raises:
            ExceptionGroup: what failed while closing.
        """
        warming = list(self._warming)
        for task in warming:
            task.cancel()
        await asyncio.gather(*warming, return_exceptions=True)
        results = await asyncio.gather(*(backend.close() for backend in self._backends), return_exceptions=True)
        if failed := [result for result in results if isinstance(result, Exception)]:
            raise ExceptionGroup("backends failed to close", failed)

    def states(self) -> list[RouteState]:
        """What each route can do now, in their order."""
        return [backend.state() for backend in self._backends]

    def answer(self, build: BuildRequest, limits: TurnLimits) -> Answer:
        """Ask the routes for one reply. Nothing happens until the answer is iterated."""
        return Answer(self._backends, build, limits, clock=self._clock, keep_warm=self._keep_warm)

    async def warm(self, build: BuildRequest) -> AsyncGenerator[Progress, None]:
        """Have the route that would answer first read the prompt; yields nothing where none is ready.

        Raises:
            RouteError: that route failed.
            BudgetError: the prompt does not fit its budget.
        """
        ready = (backend for backend in self._backends if backend.generating and backend.state().state == "ready")
        if backend := next(ready, None):
            async with aclosing(backend.warm(build(backend))) as steps:
                async for step in steps:
                    yield step

    def _keep_warm(self, backend: Backend, request: Request) -> None:
        """Let a late route go on reading, so that the next turn finds it warm.

        One reading per route: the newest prompt contains what the older one of the same NPC had to say.
        """
        for task, name in self._warming.items():
            if name == backend.name:
                task.cancel()
        task = asyncio.create_task(_read_on(backend, request), name=f"warm {backend.name}")
        self._warming[task] = backend.name
        task.add_done_callback(self._warmed)

    def _warmed(self, task: asyncio.Task[None]) -> None:
        name = self._warming.pop(task)
        if not task.cancelled() and (error := task.exception()):
            _log.warning("warming failed", route=name, error=str(error))


async def _read_on(backend: Backend, request: Request) -> None:
    async with aclosing(backend.warm(request)) as steps:
        async for _ in steps:
            pass
