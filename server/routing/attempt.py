"""One route asked once: its deltas, held to the clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from server.backends.base import Delta, Forecast, Progress, TextDelta
from server.errors import RouteEmpty, RouteTimeout
from server.routing.limits import Window
from server.text.useful import UsefulText

OK = "ok"
OVER_BUDGET = "over_budget"
STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One route that was asked, or could not be.

    `outcome` is `ok`, `over_budget`, `stopped` (closed by the caller) or the outcome of a `RouteError`. `message` and
    `hint` are for people and empty where it went well.
    """

    route: str
    outcome: str
    ms: int
    message: str = ""
    hint: str = ""


async def deltas_in_time(
    deltas: AsyncGenerator[Delta, None], useful: UsefulText, window: Window, clock: Callable[[], float]
) -> AsyncGenerator[Delta, None]:
    """Pass `deltas` on while they come in time; closes them in every case.

    Text is held back until it is `useful`, so that a route which is dropped before that leaves nothing behind. After
    `Finish` nothing more is read.

    Raises:
        RouteTimeout: `first_text`, `gap` or `turn`; the last one also where the turn ends before the first text.
        RouteEmpty: the route ended without useful text.
        RouteError: whatever the route raised.
    """
    held: list[TextDelta] = []
    spoke = False
    async with aclosing(deltas):
        while isinstance(delta := await _next(deltas, window, clock, spoke=spoke), TextDelta | Progress | Forecast):
            if isinstance(delta, TextDelta) and not spoke:
                held.append(delta)
                spoke = useful.feed(delta.text)
                for text in held if spoke else ():
                    yield text
            else:
                yield delta
        if not spoke:
            if not useful.close():
                raise RouteEmpty("the route ended without a word")
            for text in held:
                yield text
        if delta is not None:
            yield delta


async def _next(
    deltas: AsyncGenerator[Delta, None], window: Window, clock: Callable[[], float], *, spoke: bool
) -> Delta | None:
    """The next delta, None at the end of the stream."""
    now_s = clock()
    silent_by_s, which = (now_s + window.gap_s, "gap") if spoke else (window.first_text_by_s, "first_text")
    if window.turn_by_s <= silent_by_s:
        silent_by_s, which = window.turn_by_s, "turn"
    if silent_by_s <= now_s:
        raise _too_late(which)
    try:
        async with asyncio.timeout(silent_by_s - now_s) as scope:
            return await anext(deltas, None)
    except TimeoutError:
        if not scope.expired():
            raise
        raise _too_late(which) from None


def _too_late(which: str) -> RouteTimeout:
    message = {
        "first_text": "the route had nothing useful to say in time",
        "gap": "the route fell silent in the middle of its answer",
        "turn": "the answer took longer than a turn may",
    }[which]
    return RouteTimeout(which, message)
