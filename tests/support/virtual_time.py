"""An event loop whose clock jumps: where nothing can happen before the next timer, it is that time at once."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

STUCK_S = 5


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[valid-type, misc]  # the platform decides on its base
    """Looks at real files without waiting, and moves the clock instead of waiting for them."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:  # no timer at all: only a thread's result can wake this loop
            if ready := super().select(STUCK_S):
                return ready
            raise RuntimeError("every task waits for something that nobody will do")
        self.now_s += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Seconds cost nothing here; `time()` starts at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


def now_s() -> float:
    """The running loop's clock, for code that takes a clock."""
    return asyncio.get_running_loop().time()


def virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on virtual time; it must leave no task behind."""

    async def alone(*args: Any, **kwargs: Any) -> None:
        await test(*args, **kwargs)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks left behind: {left}"

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(alone(*args, **kwargs))

    return run
