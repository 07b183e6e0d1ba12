"""Background work: owned, named, and ended with the server. Nothing here is on a reply's path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from server.errors import BarkeepError

log = structlog.get_logger(__name__)


Work = Callable[[], Coroutine[Any, Any, None]]


class Jobs:
    """Runs background tasks. A job of a name replaces the one that runs under it."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}

    def start(self, name: str, work: Work) -> None:
        """Run `work`; an older job of this name is cancelled."""
        self.cancel(name)
        task = asyncio.get_running_loop().create_task(_guarded(name, work), name=f"job:{name}")
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._forget(name, done))

    def start_once(self, name: str, work: Work) -> None:
        """Run `work`, unless a job of this name runs."""
        if name not in self._tasks or self._tasks[name].done():
            self.start(name, work)

    def start_later(self, name: str, seconds: float, work: Work) -> None:
        """Run `work` after so long; asked again meanwhile, the time begins anew."""
        self.cancel(name)
        self._later[name] = asyncio.get_running_loop().call_later(seconds, self.start, name, work)

    def cancel(self, name: str) -> None:
        """End the job of this name, if one runs or waits for its time."""
        if (timer := self._later.pop(name, None)) is not None:
            timer.cancel()
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()

    async def idle(self) -> None:
        """Wait until nothing runs, not even what running jobs have begun; what waits for its time does not count."""
        while tasks := [task for task in self._tasks.values() if not task.done()]:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """End all jobs."""
        for timer in self._later.values():
            timer.cancel()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]


async def _guarded(name: str, work: Work) -> None:
    try:
        await work()
    except BarkeepError as error:
        log.warning("job_failed", job=name, error=error.message)
    except Exception:  # a job's border: it is reported, and nothing else stops
        log.exception("job_failed", job=name)
