"""One request to one named route, as it is: no race, no other route behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from server.backends.base import Backend, Delta, Finish, Request, RouteState, TextDelta
from server.errors import RouteError, RouteRejected, RouteTimeout, RouteUnavailable
from server.routing.background import Background
from server.routing.money import Spending
from server.routing.route import Route

KEY_OR_CREDIT = (401, 402, 403)
"""Refusals that are the route's own, not the request's."""


class Direct:
    """A route as whoever names it sees it. What it costs and how it fails counts as it does in a turn."""

    def __init__(self, route: Route, spending: Spending, background: Background, clock: Callable[[], float]) -> None:
        self._route = route
        self._spending = spending
        self._background = background
        self._clock = clock

    @property
    def name(self) -> str:
        """The route's name in config.yaml."""
        return self._route.name

    @property
    def backend(self) -> Backend:
        """Who answers."""
        return self._route.backend

    def state(self) -> RouteState:
        """What it can do now."""
        return self._route.state(self._clock())

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Everything that the route says, progress and forecasts too. Closing the generator cancels it.

        Raises:
            RouteError: in any of its forms, before or after the first delta.
        """
        route, began_s = self._route, self._clock()
        if not route.ready:
            state = self.state()
            raise RouteUnavailable(f"The route {route.name} is {state.state}.", state.hint)
        said, finish, dropped = "", None, True
        try:
            async with aclosing(route.backend.generate(request)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, TextDelta):
                        said += delta.text
                    elif isinstance(delta, Finish):
                        finish = delta
                        route.answered()
                    yield delta
            dropped = False
        except RouteError as error:
            dropped = isinstance(error, RouteTimeout)
            if not _is_about_the_request(error):
                now_s = self._clock()
                route.failed(error, now_s, now_s - began_s)
                self._background.watch(route)
            raise
        finally:
            self._spending.note(route.backend, request, said, finish, dropped=dropped)


def _is_about_the_request(error: RouteError) -> bool:
    """Whether another request would not have failed so: a client's odd wishes close the route to nobody else."""
    return isinstance(error, RouteRejected) and error.status not in KEY_OR_CREDIT
