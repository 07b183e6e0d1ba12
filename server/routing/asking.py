"""One request to one route: read by a task of its own, so that two can be waited for at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from server.backends.base import Delta, Finish, Forecast, Request, TextDelta
from server.errors import RouteEmpty
from server.routing.route import Route
from server.text.useful import UsefulText


@dataclass(frozen=True, slots=True)
class End:
    """The stream is over; `error` is what it raised, None where it came to its end."""

    error: BaseException | None


News = tuple[TextDelta, ...] | Forecast | End
"""What an asking has to say: text to be heard, and how it stands."""


class Asking:
    """Puts its news into the inbox that it shares with the others of its turn.

    Text is held back until it is useful, so that a route which is dropped before that leaves nothing behind.

    Attributes:
        began_s: When it was asked.
        sent: True once the route has got the request.
        said: All text that came, also what was held back.
        spoke_s: When its first useful text came; None before that.
        finish: What the route said at its end.
    """

    def __init__(
        self, route: Route, request: Request, inbox: asyncio.Queue[tuple[Asking, News]], clock: Callable[[], float]
    ) -> None:
        """Begins at once."""
        self.route = route
        self.request = request
        self.began_s = clock()
        self.sent = False
        self.said = ""
        self.spoke_s: float | None = None
        self.finish: Finish | None = None
        self._inbox = inbox
        self._clock = clock
        self._held: list[TextDelta] = []
        self._useful = UsefulText(request.persona.name)
        self._task = asyncio.create_task(self._read(), name=f"ask {route.name}")
        self._task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """Drop the request at once. What it still has to say is not heard."""
        self._task.cancel()

    async def ended(self) -> None:
        """Wait until the route has let go of everything."""
        await asyncio.wait([self._task])

    async def _read(self) -> None:
        self.sent = True
        async with aclosing(self.route.backend.generate(self.request)) as deltas:
            async for delta in deltas:
                self._take(delta)
                if self.finish is not None:
                    break
        self._close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Hand on whatever was raised: the turn that asked knows what is a failed route and what a mistake."""
        if not task.cancelled():
            self._inbox.put_nowait((self, End(task.exception())))

    def _take(self, delta: Delta) -> None:
        match delta:
            case TextDelta(text=text):
                self.said += text
                self._held.append(delta)
                if self.spoke_s is not None or self._useful.feed(text):
                    self._let_go()
            case Forecast():
                self._inbox.put_nowait((self, delta))
            case Finish():
                self.finish = delta

    def _close(self) -> None:
        if self.spoke_s is None:
            if not self._useful.close():
                raise RouteEmpty("the route ended without a word")
            self._let_go()

    def _let_go(self) -> None:
        if self.spoke_s is None:
            self.spoke_s = self._clock()
        self._inbox.put_nowait((self, tuple(self._held)))
        self._held.clear()
