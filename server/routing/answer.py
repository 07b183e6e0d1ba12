"""One turn's answer: routes asked one after another until one of them speaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing

from server.backends.base import Backend, Finish, Forecast, Progress, Request, RouteState, TextDelta
from server.errors import BudgetError, RouteError, RouteTimeout, RouteUnavailable
from server.routing.attempt import OK, OVER_BUDGET, STOPPED, Attempt, deltas_in_time
from server.routing.limits import TurnLimits, Window, floor_window, generating_window
from server.text.useful import UsefulText

BuildRequest = Callable[[Backend], Request]
"""Makes the request for one route, within that route's budget; may raise BudgetError."""
Spoken = TextDelta | Progress
Failure = RouteError | BudgetError


class Answer(AsyncIterator[Spoken]):
    """The deltas of whichever route answers, and afterwards the account of how it went.

    Iterate once, inside `contextlib.aclosing`: closing it, or cancelling the task that waits for its next delta,
    cancels the backend at once. `RouteError` is raised where nobody spoke; once text has come it only ends early,
    `degraded`.

    Attributes:
        route: The route whose text this is, as it stood when it spoke; None while nobody has.
        finish: What the route said at its end; None where it was cut.
        degraded: No full model gave this answer, or it was closed early.
        first_text_ms: Milliseconds from receipt to the first useful text.
    """

    def __init__(
        self,
        backends: Sequence[Backend],
        build: BuildRequest,
        limits: TurnLimits,
        *,
        clock: Callable[[], float],
        keep_warm: Callable[[Backend, Request], None],
    ) -> None:
        """`keep_warm` is told of each request whose route was dropped for being late."""
        self._generating = [backend for backend in backends if backend.generating]
        self._floor = [backend for backend in backends if not backend.generating]
        self._build = build
        self._limits = limits
        self._clock = clock
        self._keep_warm = keep_warm
        self._attempts: list[Attempt] = []
        self._failures: list[Failure] = []
        self._asked = False
        self.route: RouteState | None = None
        self.finish: Finish | None = None
        self.degraded = False
        self.first_text_ms: float | None = None
        self._stream = self._run()

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every route that was asked or passed over so far, in order."""
        return tuple(self._attempts)

    def __aiter__(self) -> Answer:
        """The answer is its own iterator: it can be heard once."""
        return self

    async def __anext__(self) -> Spoken:
        """The next delta.

        Raises:
            RouteError: every route failed; its cause is a group of all their errors.
        """
        return await anext(self._stream)

    async def aclose(self) -> None:
        """Cancel whoever is being asked. Idempotent; not while another task waits for the next delta."""
        await self._stream.aclose()

    async def _run(self) -> AsyncGenerator[Spoken, None]:
        for backend, request, window in self._candidates():
            async with aclosing(self._ask(backend, request, window)) as deltas:
                async for delta in deltas:
                    yield delta
            if self.route is not None:
                return
        raise self._all_failed()

    def _candidates(self) -> Iterator[tuple[Backend, Request, Window]]:
        """The routes worth asking; each is looked at only when its turn comes."""
        for index, backend in enumerate(self._generating):
            if self._floor and self._clock() >= self._limits.authored_at_s:
                break
            if request := self._prepare(backend):
                yield backend, request, self._window(self._generating[index + 1 :])
        for backend in self._floor:
            if request := self._prepare(backend):
                yield backend, request, floor_window(self._limits, self._clock())

    def _prepare(self, backend: Backend) -> Request | None:
        """The request for a route, or None and a note of why it cannot be asked."""
        began_s = self._clock()
        state = backend.state()
        if state.state != "ready":
            away = RouteUnavailable(f"{backend.name} is {state.state}", state.hint)
            self._note(backend, away.outcome, began_s, away)
            return None
        try:
            return self._build(backend)
        except BudgetError as error:
            self._note(backend, OVER_BUDGET, began_s, error)
            return None

    def _window(self, others: Sequence[Backend]) -> Window:
        first, self._asked = not self._asked, True
        last = not any(other.state().state == "ready" for other in others)
        return generating_window(self._limits, self._clock(), first=first, last=last, floor=bool(self._floor))

    async def _ask(self, backend: Backend, request: Request, window: Window) -> AsyncGenerator[Spoken, None]:
        """Pass on what one route says, and note how it went."""
        began_s = self._clock()
        outcome, failure = STOPPED, None
        try:
            useful = UsefulText(request.persona.name)
            async with aclosing(deltas_in_time(backend.generate(request), useful, window, self._clock)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, Finish):
                        self.finish = delta
                    elif not isinstance(delta, Forecast):
                        if isinstance(delta, TextDelta) and self.route is None:
                            self._spoken_by(backend)
                        yield delta
            outcome = OK
        except RouteError as error:
            outcome, failure = error.outcome, error
            self.degraded = self.route is not None
            if self.route is None and isinstance(error, RouteTimeout):
                self._keep_warm(backend, request)
        finally:
            self._note(backend, outcome, began_s, failure)

    def _spoken_by(self, backend: Backend) -> None:
        self.route = backend.state()
        self.degraded = not backend.generating
        self.first_text_ms = (self._clock() - self._limits.received_s) * 1000

    def _note(self, backend: Backend, outcome: str, began_s: float, failure: Failure | None = None) -> None:
        ms = round((self._clock() - began_s) * 1000)
        message, hint = (failure.message, failure.hint) if failure else ("", "")
        self._attempts.append(Attempt(backend.name, outcome, ms, message, hint))
        if failure:
            self._failures.append(failure)

    def _all_failed(self) -> RouteError:
        told = "; ".join(f"{attempt.route}: {attempt.message}" for attempt in self._attempts)
        hint = next((attempt.hint for attempt in self._attempts if attempt.hint), "")
        error = RouteError(f"no route could answer ({told or 'none is configured'})", hint)
        if self._failures:
            error.__cause__ = ExceptionGroup("what each route said", self._failures)
        return error
