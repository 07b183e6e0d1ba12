"""What came of each route in one turn: told to the turn, to the route itself, to the purse, and to the log."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from server.errors import BudgetError, RouteError, RouteTimeout, RouteUnavailable
from server.routing.asking import Asking
from server.routing.attempt import OK, OVER_BUDGET, OVER_LIMIT, OVERTAKEN, STOPPED, Attempt
from server.routing.background import Background
from server.routing.money import Spending
from server.routing.route import Route

_log = structlog.get_logger(__name__)


class Account:
    """The books of one turn.

    Attributes:
        attempts: Every route that was asked or passed over, in the order in which that was settled.
    """

    def __init__(self, spending: Spending, background: Background, clock: Callable[[], float]) -> None:
        """An empty account."""
        self.attempts: list[Attempt] = []
        self._failures: list[RouteError | BudgetError] = []
        self._spending = spending
        self._background = background
        self._clock = clock

    def away(self, route: Route) -> None:
        """A route was passed over because it is not ready."""
        state = route.state(self._clock())
        outcome = "unavailable" if route.affordable else OVER_LIMIT
        self._note(route, outcome, 0, RouteUnavailable(f"{route.name} is {state.state}", state.hint))

    def over_budget(self, route: Route, error: BudgetError) -> None:
        """A route was passed over because the prompt does not fit it."""
        self._note(route, OVER_BUDGET, 0, error)

    def answered(self, asking: Asking) -> None:
        """The route spoke to its end."""
        asking.route.answered()
        self._over(asking, OK)

    def failed(self, asking: Asking, error: RouteError) -> None:
        """The route failed, before or after it spoke."""
        route, now_s = asking.route, self._clock()
        if asking.spoke_s is None and isinstance(error, RouteTimeout):
            self.unheard(asking)
        route.failed(error, now_s, now_s - asking.began_s)
        self._background.watch(route)
        _log.warning("route_failed", route=route.name, outcome=error.outcome, error=error.message, hint=error.hint)
        self._over(asking, error.outcome, error, dropped=isinstance(error, RouteTimeout))

    def dropped(self, asking: Asking, outcome: str) -> None:
        """The request was dropped, and the route is not to blame."""
        if not asking.sent:
            return
        if outcome == OVERTAKEN:
            self.unheard(asking)
        elif outcome == STOPPED and asking.spoke_s is not None:
            asking.route.answered()  # the listener had heard enough
        self._over(asking, outcome, dropped=True)

    def unheard(self, asking: Asking) -> None:
        """It was waited for, and had not spoken by now: it would have taken longer than this."""
        asking.route.latency.add((self._clock() - asking.began_s) * 1000)

    def all_failed(self) -> RouteError:
        """The error of a turn that nobody answered; its cause is a group of all their errors."""
        told = "; ".join(f"{one.route}: {one.message}" for one in self.attempts if one.message)
        hint = next((one.hint for one in self.attempts if one.hint), "")
        error = RouteError(f"no route could answer ({told or 'none is configured'})", hint)
        if self._failures:
            error.__cause__ = ExceptionGroup("what each route said", self._failures)
        return error

    def _over(self, asking: Asking, outcome: str, error: RouteError | None = None, *, dropped: bool = False) -> None:
        self._spending.note(asking.route.backend, asking.request, asking.said, asking.finish, dropped=dropped)
        self._note(asking.route, outcome, round((self._clock() - asking.began_s) * 1000), error)

    def _note(self, route: Route, outcome: str, ms: int, failure: RouteError | BudgetError | None = None) -> None:
        message, hint = (failure.message, failure.hint) if failure else ("", "")
        self.attempts.append(Attempt(route.name, outcome, ms, message, hint))
        if failure:
            self._failures.append(failure)
