"""Who speaks first: routes asked one after another or beside each other, until one of them has a useful word."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from server.backends.base import Backend, Forecast, Request, TextDelta
from server.errors import BudgetError, RouteError, RouteTimeout
from server.routing import decide
from server.routing.account import Account
from server.routing.asking import Asking, End, News
from server.routing.attempt import OVERTAKEN, PREDICTED_LATE, STOPPED
from server.routing.background import Background
from server.routing.decide import Ask, GiveUp, Pending, Situation, Wait
from server.routing.hedge import HedgeBudget, hedge_after_ms
from server.routing.limits import TurnLimits
from server.routing.reactions import reaction_to
from server.routing.route import Route

BuildRequest = Callable[[Backend], Request]
"""Makes the request for one route, within that route's budget; may raise BudgetError."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one answer is made of.

    `routes` stand in the order in which they are asked, authored ones under the others wherever they are named.
    `rebuild` makes a smaller request for a route whose context was too small. `may_hedge`: somebody waits for this.
    """

    routes: Sequence[Route]
    build: BuildRequest
    limits: TurnLimits
    rebuild: BuildRequest | None = None
    may_hedge: bool = True


@dataclass(frozen=True, slots=True)
class Means:
    """What all races of a router share. `chance` gives random numbers from 0 to 1."""

    clock: Callable[[], float]
    chance: Callable[[], float]
    background: Background
    hedges: HedgeBudget
    hedge_after_ms: float


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A route that is still to be asked. `again`: it was asked before, `smaller`: with too large a prompt."""

    route: Route
    again: bool = False
    smaller: bool = False


@dataclass(frozen=True, slots=True)
class _Run:
    """A route that is being asked, and when to look at it again."""

    asking: Asking
    candidate: _Candidate
    pending: Pending


Speaker = tuple[Asking, tuple[TextDelta, ...]]
"""Who speaks, and its first words."""


class Race:
    """Asks the routes of a plan. `first` once, `news_of` as often as wanted, and `close` in every case."""

    def __init__(self, plan: Plan, means: Means, account: Account) -> None:
        """Nothing is asked yet."""
        self._plan = plan
        self._means = means
        self._account = account
        self._inbox: asyncio.Queue[tuple[Asking, News]] = asyncio.Queue()
        self._left = deque(_Candidate(route) for route in plan.routes if route.generating)
        self._floor = [route for route in plan.routes if not route.generating]
        self._running: list[_Run] = []
        self._begun: list[Asking] = []
        self._hedged = False
        self._deflects = False

    async def first(self) -> Speaker | None:
        """Whoever has a useful word first; None where nobody has."""
        if self._plan.may_hedge:
            self._means.hedges.turn_begun()
        while not isinstance(step := decide.next_step(self._situation(), self._plan.limits), GiveUp):
            if isinstance(step, Ask):
                self._ask_next(step)
            elif speaker := await self._hear(step):
                return speaker
        self._give_up(step)
        return await self._ask_floor()

    def news_at_hand(self, speaker: Asking) -> tuple[TextDelta, ...] | End | None:
        """More of the speaker's words, or its end, where they have come already."""
        while not self._inbox.empty():
            asking, news = self._inbox.get_nowait()
            if asking is speaker and not isinstance(news, Forecast):
                return news
        return None

    async def news_of(self, speaker: Asking) -> tuple[TextDelta, ...] | End:
        """More of the speaker's words, or its end."""
        while True:
            asking, news = await self._inbox.get()
            if asking is speaker and not isinstance(news, Forecast):
                return news

    async def close(self) -> None:
        """Drop whoever is still being asked, and wait until all have let go of everything."""
        self._drop_all(STOPPED)
        for asking in self._begun:
            await asking.ended()

    def over(self, asking: Asking) -> None:
        """The speaker is done, one way or another, and entered into the account."""
        asking.cancel()
        self._running = [run for run in self._running if run.asking is not asking]

    def _situation(self) -> Situation:
        return Situation(
            now_s=self._means.clock(),
            pending=[run.pending for run in self._running],
            another=any(candidate.route.ready for candidate in self._left),
            floor=bool(self._floor),
            may_hedge=self._may_hedge(),
        )

    def _may_hedge(self) -> bool:
        """A second call is for a better answer soon: a route that is no full model is not worth one."""
        if not self._plan.may_hedge or self._hedged or not self._means.hedges.has_room():
            return False
        following = next((candidate.route for candidate in self._left if candidate.route.ready), None)
        return following is None or not following.backend.state().degraded

    def _ask_next(self, step: Ask) -> None:
        before = list(self._running)
        while self._left and len(self._running) == len(before):
            candidate = self._left.popleft()
            if candidate.route.ready:
                self._ask(candidate)
            else:
                self._account.away(candidate.route)
        if len(self._running) == len(before):
            return
        if step.how == "beside":
            self._hedged = True
            self._means.hedges.hedged()
        for run in before if step.how == "late" else ():
            self._too_late(run, "first_text")

    def _ask(self, candidate: _Candidate) -> bool:
        route, plan = candidate.route, self._plan
        build = plan.rebuild if candidate.smaller and plan.rebuild else plan.build
        try:
            request = build(route.backend)
        except BudgetError as error:
            self._account.over_budget(route, error)
            return False
        if self._deflects and not route.generating:
            request = replace(request, heard="", opening=False)
        asking = Asking(route, request, self._inbox, self._means.clock)
        hedge_ms = hedge_after_ms(route.latency.p95_ms(), self._means.hedge_after_ms)
        late_s = decide.late_at_s(plan.limits, asking.began_s, first=not self._begun)
        self._running.append(_Run(asking, candidate, Pending(late_s, asking.began_s + hedge_ms / 1000)))
        self._begun.append(asking)
        return True

    async def _hear(self, step: Wait) -> Speaker | None:
        """Wait for news, and act on them."""
        try:
            async with asyncio.timeout(max(0.0, step.until_s - self._means.clock())) as scope:
                asking, news = await self._inbox.get()
        except TimeoutError:
            if not scope.expired():
                raise
            return None
        run = next((run for run in self._running if run.asking is asking), None)
        if run is None:  # dropped meanwhile
            return None
        match news:
            case Forecast():
                self._foretold(run, news)
            case End(error):
                await self._failed(run, error)
            case words:
                self._won(run)
                return asking, words
        return None

    def _won(self, run: _Run) -> None:
        asking = run.asking
        self._running.remove(run)
        self._drop_all(OVERTAKEN)
        self._running.append(run)
        asking.route.latency.add(((asking.spoke_s or asking.began_s) - asking.began_s) * 1000)

    def _foretold(self, run: _Run, forecast: Forecast) -> None:
        """Leave a route that will be late for one that may not be; it comes back where the others fail."""
        if run.candidate.again or len(self._running) > 1:
            return
        if not decide.comes_late(forecast.first_token_ms, self._means.clock(), run.pending.late_at_s):
            return
        for candidate in [each for each in self._left if each.route.trusted and not each.again]:
            self._left.remove(candidate)
            if self._ask(candidate):
                self._drop(run, PREDICTED_LATE)
                self._left.append(replace(run.candidate, again=True))
                return

    async def _failed(self, run: _Run, error: BaseException | None) -> None:
        if not isinstance(error, RouteError):
            raise error or AssertionError("a route that ends without text raises")
        self._running.remove(run)
        self._account.failed(run.asking, error)
        reaction, route = reaction_to(error), run.asking.route
        self._deflects = self._deflects or reaction.deflect
        if reaction.smaller and self._plan.rebuild and not run.candidate.smaller:
            self._left.appendleft(replace(run.candidate, smaller=True))
            return
        situation = self._situation()
        if situation.pending or situation.another or run.candidate.again or not route.ready:
            return
        left_s = decide.give_up_at_s(self._plan.limits, floor=situation.floor) - situation.now_s
        took_s = situation.now_s - run.asking.began_s
        wait_s = decide.retry_in_s(error, took_s, left_s, self._means.chance())
        if wait_s is not None:
            await asyncio.sleep(wait_s)
            self._left.append(replace(run.candidate, again=True))

    def _give_up(self, step: GiveUp) -> None:
        """Let go of whoever is still being asked; where no clock ran out, say why the others were not."""
        for run in list(self._running):
            self._too_late(run, step.which or "first_text")
        while step.which is None and self._left:
            self._account.away(self._left.popleft().route)

    async def _ask_floor(self) -> Speaker | None:
        """Let authored lines speak; they are at hand at once, also when the turn's time is over."""
        for route in self._floor:
            if not self._ask(_Candidate(route, again=True)):
                continue
            until = Wait(self._means.clock() + self._plan.limits.first_text_ms / 1000)
            while self._running and self._means.clock() < until.until_s:
                if speaker := await self._hear(until):
                    return speaker
            for run in list(self._running):
                self._too_late(run, "first_text")
        return None

    def _too_late(self, run: _Run, which: str) -> None:
        run.asking.cancel()
        self._running.remove(run)
        self._account.failed(run.asking, too_late(which))
        self._read_on(run.asking)

    def _drop(self, run: _Run, outcome: str) -> None:
        run.asking.cancel()
        self._running.remove(run)
        self._account.dropped(run.asking, outcome)
        if outcome != STOPPED:
            self._read_on(run.asking)

    def _read_on(self, asking: Asking) -> None:
        """Let the engine on this machine read to the end what it began, so that the next turn is warm."""
        if asking.route.generating and not asking.route.backend.hosted:
            self._means.background.read_on(asking.route, asking.request)

    def _drop_all(self, outcome: str) -> None:
        for run in list(self._running):
            self._drop(run, outcome)


def too_late(which: str) -> RouteTimeout:
    """The error of a route whose clock ran out: `first_text`, `gap` or `turn`."""
    message = {
        "first_text": "the route had nothing useful to say in time",
        "gap": "the route fell silent in the middle of its answer",
        "turn": "the answer took longer than a turn may",
    }[which]
    return RouteTimeout(which, message)
