"""A backend, and what routing knows of it: whether it is worth asking, how fast it is, what went wrong last."""

from __future__ import annotations

from dataclasses import replace

from server.backends.base import Backend, RouteState
from server.errors import RouteError, RouteTimeout
from server.routing.breaker import FOR_GOOD, Breaker, Rests
from server.routing.latency import Latency
from server.routing.money import Spending
from server.routing.reactions import reaction_to

FAIR_CHANCE_S = 1.0
"""A route that was given less says nothing about itself by being late."""


class Route:
    """One entry of the order, over all turns.

    Attributes:
        breaker: Whether it may be asked.
        latency: Its times to first text.
    """

    def __init__(self, backend: Backend, rests: Rests, spending: Spending) -> None:
        """`spending` says whether a paid route may still be asked."""
        self.backend = backend
        self.breaker = Breaker(rests)
        self.latency = Latency()
        self._spending = spending
        self._last: RouteError | None = None

    @property
    def name(self) -> str:
        """The route's name in config.yaml."""
        return self.backend.name

    @property
    def generating(self) -> bool:
        """False for authored lines."""
        return self.backend.generating

    @property
    def affordable(self) -> bool:
        """False where the route is paid and the day's limit is reached."""
        return not self.backend.paid or self._spending.may_ask(self.backend)

    @property
    def ready(self) -> bool:
        """Whether it may be asked now."""
        return self.breaker.condition != "open" and self.backend.state().state == "ready" and self.affordable

    @property
    def trusted(self) -> bool:
        """Whether it is ready, and answered when it was asked last."""
        return self.breaker.condition == "closed" and self.ready

    def state(self, now_s: float) -> RouteState:
        """What the route can do now, as its backend says and as its last answers show."""
        state = self.backend.state()
        if state.state != "ready":
            return state
        if self.breaker.condition == "open":
            return replace(state, state="down", hint=self._why_open(now_s))
        if not self.affordable:
            hint = "the daily limit is reached: it is off until midnight; `spend` in config.yaml sets the limit"
            return replace(state, state="off", hint=hint)
        if self._last is not None and not state.hint:
            return replace(state, hint=f"did not answer last time: {_told(self._last)}")
        return state

    def answered(self) -> None:
        """It spoke to its end, or as long as anybody listened."""
        self.breaker.succeeded()
        self._last = None

    def failed(self, error: RouteError, now_s: float, took_s: float) -> None:
        """It did not answer, or broke off, after `took_s`."""
        self._last = error
        reaction = reaction_to(error)
        if reaction.counts == "never" or (reaction.counts == "hosted" and not self.backend.hosted):
            return
        if isinstance(error, RouteTimeout) and error.which != "gap" and took_s < FAIR_CHANCE_S:
            return
        self.breaker.failed(now_s, reaction.rest_s)

    def _why_open(self, now_s: float) -> str:
        told = _told(self._last) if self._last is not None else "it failed several times"
        if self.breaker.until_s == FOR_GOOD:
            return f"{told}; it is asked again after a restart"
        return f"{told}; it is looked at again in {max(0, round(self.breaker.until_s - now_s))} s"


def _told(error: RouteError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
