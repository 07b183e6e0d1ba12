"""One turn's answer: the words of whoever spoke first, held to the clock to their end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from server.backends.base import Finish, RouteState, TextDelta
from server.errors import RouteError
from server.routing.account import Account
from server.routing.asking import Asking, End
from server.routing.attempt import Attempt
from server.routing.race import BuildRequest, Means, Plan, Race, too_late

__all__ = ["Answer", "BuildRequest"]


class Answer(AsyncIterator[TextDelta]):
    """The text of whichever route answers, and afterwards the account of how it went.

    Iterate once, inside `contextlib.aclosing`: closing it, or cancelling the task that waits for its next delta,
    cancels every backend at once. `RouteError` is raised where nobody spoke; once text has come no other route is
    asked, and the answer only ends early, `degraded`.

    Attributes:
        route: The route whose text this is, as it stood when it spoke; None while nobody has.
        finish: What the route said at its end; None where it was cut.
        degraded: No full model gave this answer, or it was closed early.
        first_text_ms: Milliseconds from receipt to the first useful text.
    """

    def __init__(self, plan: Plan, means: Means, account: Account) -> None:
        """Nothing happens until it is iterated."""
        self._plan = plan
        self._means = means
        self._account = account
        self.route: RouteState | None = None
        self.finish: Finish | None = None
        self.degraded = False
        self.first_text_ms: float | None = None
        self._stream = self._run()

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every route that was asked or passed over so far."""
        return tuple(self._account.attempts)

    def __aiter__(self) -> Answer:
        """The answer is its own iterator: it can be heard once."""
        return self

    async def __anext__(self) -> TextDelta:
        """More of the text.

        Raises:
            RouteError: every route failed; its cause is a group of all their errors.
        """
        return await anext(self._stream)

    async def aclose(self) -> None:
        """Cancel whoever is being asked. Idempotent; not while another task waits for the next delta."""
        await self._stream.aclose()

    async def _run(self) -> AsyncGenerator[TextDelta, None]:
        race = Race(self._plan, self._means, self._account)
        try:
            speaker = await race.first()
            if speaker is None:
                raise self._account.all_failed()
            asking, words = speaker
            self._spoken_by(asking)
            while words:
                for delta in words:
                    yield delta
                words = await self._more(race, asking)
        finally:
            await race.close()

    def _spoken_by(self, asking: Asking) -> None:
        self.route = asking.route.state(self._means.clock())
        self.degraded = not asking.route.generating or self.route.degraded
        spoke_s = asking.spoke_s if asking.spoke_s is not None else self._means.clock()
        self.first_text_ms = (spoke_s - self._plan.limits.received_s) * 1000

    async def _more(self, race: Race, asking: Asking) -> tuple[TextDelta, ...]:
        """What the speaker says next; nothing at its end, however it came."""
        try:
            news = await self._in_time(race, asking)
            if not isinstance(news, End):
                return news
            if news.error is not None:
                raise news.error
            self.finish = asking.finish
            self._account.answered(asking)
        except RouteError as error:
            self.degraded = True
            self._account.failed(asking, error)
        race.over(asking)
        return ()

    async def _in_time(self, race: Race, asking: Asking) -> tuple[TextDelta, ...] | End:
        """The speaker's next news; authored lines may end after the turn's time is over, for they begin after it."""
        now_s, limits = self._means.clock(), self._plan.limits
        silent_by_s, which = now_s + limits.gap_ms / 1000, "gap"
        if asking.route.generating and limits.turn_by_s <= silent_by_s:
            silent_by_s, which = limits.turn_by_s, "turn"
        if silent_by_s <= now_s:
            raise too_late(which)
        if news := race.news_at_hand(asking):  # spares a timer for every piece of an answer that comes fast
            return news
        try:
            async with asyncio.timeout(silent_by_s - now_s) as scope:
                return await race.news_of(asking)
        except TimeoutError:
            if not scope.expired():
                raise
            raise too_late(which) from None
