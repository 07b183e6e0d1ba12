"""What routes do when nobody waits for them: prompts that came too late are read on, broken routes are probed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import structlog

from server.backends.base import Request
from server.errors import RouteError
from server.routing.breaker import FOR_GOOD
from server.routing.money import Spending
from server.routing.route import Route

PROBE_S = 5.0
"""How long a probe may take."""
READING_PRIORITY = 8
"""Of what is read on: it gives way to every player's turn, and is still read in large steps."""

Work = Callable[[], Coroutine[Any, Any, None]]
_log = structlog.get_logger(__name__)


class Background:
    """Owns one reading, one counting and one probing task per route, until `close`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns seconds and never goes back."""
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._running: set[asyncio.Task[None]] = set()
        """All that have not ended: also those that gave way to another one of their name."""
        self._closed = False

    def read_on(self, route: Route, request: Request) -> None:
        """Let a late route go on reading, so that the next turn finds it warm.

        One reading per route: the newest prompt contains what the older one of the same NPC had to say.
        """
        name = f"warm {route.name}"
        if older := self._tasks.pop(name, None):
            older.cancel()
        request = replace(request, priority=min(request.priority, READING_PRIORITY))
        self._start(name, lambda: _read_on(route, request))

    def count(self, route: Route, request: Request, spending: Spending) -> None:
        """Have the route's provider count the tokens of a prompt, where it does that."""
        name = f"count {route.name}"
        if name not in self._tasks:
            self._start(name, lambda: _count(route, request, spending))

    def watch(self, route: Route) -> None:
        """Probe a route while its breaker is open."""
        name = f"probe {route.name}"
        if name not in self._tasks and route.breaker.condition == "open" and route.breaker.until_s != FOR_GOOD:
            self._start(name, lambda: self._probe(route))

    async def close(self) -> None:
        """End all tasks; none is begun any more."""
        self._closed = True
        tasks = list(self._running)
        for task in tasks:
            if not task.cancelling():  # a second time would break off what it does to end well
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, name: str, work: Work) -> None:
        if self._closed:
            return
        task = asyncio.create_task(work(), name=name)
        self._tasks[name] = task
        self._running.add(task)
        task.add_done_callback(lambda done: self._forget(name, done))

    def _forget(self, name: str, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._tasks.get(name) is task:
            del self._tasks[name]
        if not task.cancelled() and (error := task.exception()):
            _log.warning("background_failed", work=name, error=str(error))

    async def _probe(self, route: Route) -> None:
        breaker = route.breaker
        while breaker.condition == "open" and breaker.until_s != FOR_GOOD:
            until_s = breaker.until_s
            await asyncio.sleep(until_s - self._clock())
            # A failure of an earlier request may ask for a longer rest, before or while this is probed.
            if breaker.until_s == until_s:
                well = await _is_well(route)
                if breaker.until_s == until_s:
                    breaker.probed(self._clock(), well=well)
        _log.info("route_is_tried_again", route=route.name)


async def _is_well(route: Route) -> bool:
    try:
        async with asyncio.timeout(PROBE_S):
            await route.backend.probe()
    except (RouteError, TimeoutError) as error:
        _log.info("route_still_down", route=route.name, error=str(error) or "the probe took too long")
        return False
    return True


async def _count(route: Route, request: Request, spending: Spending) -> None:
    count = getattr(route.backend, "count", None)  # hosted routes have it
    if count is None:
        return
    try:
        tokens = await count(request)
    except RouteError as error:
        _log.info("tokens_not_counted", route=route.name, error=error.message)
        return
    if tokens is not None:
        spending.counted(route.backend, request.prompt, tokens)


async def _read_on(route: Route, request: Request) -> None:
    async with aclosing(route.backend.warm(request)) as steps:
        async for _ in steps:
            pass
