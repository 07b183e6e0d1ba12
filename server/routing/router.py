"""The routes of this server, and who of them is asked for what."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing

from server.backends.base import Backend, Progress, Purpose, RouteState
from server.config import RoutingSettings
from server.routing.account import Account
from server.routing.answer import Answer, BuildRequest
from server.routing.background import Background
from server.routing.breaker import Rests
from server.routing.direct import Direct
from server.routing.hedge import HedgeBudget
from server.routing.limits import TurnLimits
from server.routing.money import Spending, Unlimited
from server.routing.race import Means, Plan
from server.routing.route import Route

__all__ = ["Answer", "Router"]

WAITED_FOR: frozenset[Purpose] = frozenset({"dialogue", "action"})
"""What a player waits for: only this is worth a second call."""


class Router:
    """Owns the backends, what is known of each, and what they do in the background."""

    def __init__(
        self,
        backends: Sequence[Backend],
        settings: RoutingSettings | None = None,
        *,
        order: Sequence[str] | None = None,
        spending: Spending | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Nothing is started yet.

        `order` names the routes that are asked where no other order is given, all of them by default. `clock` returns
        seconds and never goes back, `chance` random numbers from 0 to 1.
        """
        settings = settings or RoutingSettings()
        rests = Rests(settings.breaker_failures, settings.rest_s, settings.rest_at_most_s)
        self._spending = spending or Unlimited()
        self._clock = clock
        self._background = Background(clock)
        self._routes = {backend.name: Route(backend, rests, self._spending) for backend in backends}
        self._order = tuple(self._routes) if order is None else tuple(order)
        self._orders = settings.orders
        self._means = Means(
            clock, chance, self._background, HedgeBudget(settings.hedge_percent), settings.hedge_after_ms
        )

    async def start(self) -> None:
        """Start every backend; they load on their own time."""
        for route in self._routes.values():
            await route.backend.start()

    async def close(self) -> None:
        """End background work, then every backend, also where one of them fails to end. Idempotent.

        Raises:
            ExceptionGroup: what failed while closing.
        """
        await self._background.close()
        closing = (route.backend.close() for route in self._routes.values())
        results = await asyncio.gather(*closing, return_exceptions=True)
        if failed := [result for result in results if isinstance(result, Exception)]:
            raise ExceptionGroup("backends failed to close", failed)

    def states(self) -> list[RouteState]:
        """What each route can do now, in their order."""
        now_s = self._clock()
        return [route.state(now_s) for route in self._routes.values()]

    def direct(self, name: str) -> Direct | None:
        """The route of this name by itself; None where there is none."""
        route = self._routes.get(name)
        return None if route is None else Direct(route, self._spending, self._background, self._clock)

    def answer(
        self,
        build: BuildRequest,
        limits: TurnLimits,
        *,
        purpose: Purpose = "dialogue",
        only: Iterable[str] = (),
        rebuild: BuildRequest | None = None,
    ) -> Answer:
        """Ask the routes for one reply. Nothing happens until the answer is iterated.

        `only` are a persona's own routes, in their order; they win over those of the purpose. `rebuild` makes a smaller
        request for a route that found the first one larger than its context.
        """
        plan = Plan(self._asked_for(purpose, only), build, limits, rebuild, may_hedge=purpose in WAITED_FOR)
        return Answer(plan, self._means, Account(self._spending, self._background, self._clock))

    async def warm(self, build: BuildRequest, *, only: Iterable[str] = ()) -> AsyncGenerator[Progress, None]:
        """Let the first generating route that is ready read a prompt; nothing where none is.

        The hosted route behind it gets a connection, for it may be asked in a hurry, but no word of the prompt.

        Raises:
            RouteError: the route failed meanwhile.
            BudgetError: the prompt does not fit its budget.
        """
        ready = [route for route in self._asked_for("dialogue", only) if route.generating and route.ready]
        if not ready:
            return
        first, request = ready[0], build(ready[0].backend)
        if spare := next((route for route in ready[1:] if route.backend.hosted), None):
            self._background.read_on(spare, request)
        if self._spending.wants_count(first.backend):
            self._background.count(first, request, self._spending)
        async with aclosing(first.backend.warm(request)) as steps:
            async for step in steps:
                yield step

    def _asked_for(self, purpose: Purpose, only: Iterable[str]) -> tuple[Route, ...]:
        """Who is asked, in order. Authored lines stand under a persona's own routes without being named."""
        order = self._orders.get(purpose, self._order)
        own = [name for name in only if name in self._routes]
        if own:
            floor = [name for name in order if name in self._routes and not self._routes[name].generating]
            order = tuple(dict.fromkeys((*own, *floor)))
        return tuple(self._routes[name] for name in order if name in self._routes)
