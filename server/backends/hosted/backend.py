"""A route over HTTP: asks one of its servers, and streams the reply."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Final, TypeVar

import structlog

from server.backends.base import Delta, Progress, Request, RouteState
from server.backends.hosted.failure import REDACTED, shown
from server.backends.hosted.lessons import Lessons
from server.backends.hosted.listing import MAX_LIST_BYTES, Price, read_listing
from server.backends.hosted.offer import Offer
from server.backends.hosted.replicas import Replica, Replicas
from server.backends.hosted.session import HttpSession
from server.backends.hosted.target import resolve
from server.backends.hosted.transport import Transport
from server.config import HostedRoute
from server.errors import RouteBroken, RouteBusy, RouteError, RouteRejected, RouteUnavailable

PROBE_S: Final = 10.0
"""The longest that a list of models, or a count of tokens, is waited for."""
STALL_S: Final = 2.0
"""A server without a word for so long is left for another one of the route, and avoided while there are others."""
IDLE_S: Final = 60.0
"""After so long without a request the connection may be gone, and `warm` opens one."""
_BIG_LIST_BYTES: Final = 65_536
_NO_LIST: Final = frozenset({404, 405})

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


class HostedBackend:
    """One route of kind `openai` or `anthropic`."""

    hosted = True
    generating = True

    def __init__(
        self, name: str, route: HostedRoute, http: HttpSession, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`http` is shared by all routes of the server, and closed by whoever made it; `clock` gives seconds."""
        self.name = name
        self.kind = route.kind
        self._target = target = resolve(name, route)
        self._replicas = Replicas(target.urls) if not target.missing else Replicas(())
        self._lessons = Lessons(target)
        self._transport = Transport(http, {**target.vendor.headers, **target.wire.headers(target.key)})
        self._clock = clock
        self._offer = Offer(target)
        self._counts = bool(target.wire.count_path)
        self._used_s = -IDLE_S
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def paid(self) -> bool:
        """True unless the server is of this house, or the settings say otherwise."""
        return self._target.paid

    @property
    def price(self) -> Price | None:
        """What a token costs, in USD; None where the provider's list does not say, or was not read yet."""
        return model.price if (model := self._offer.model) else None

    @property
    def context_tokens(self) -> int | None:
        """The longest prompt and reply together; None where the provider's list does not say, or was not read yet."""
        return model.context_tokens if (model := self._offer.model) else None

    async def start(self) -> None:
        """Ask for the list of models in the background, which also opens the first connection."""
        if not self._target.missing:
            self._spawn(self._get_ready(), "list")

    async def close(self) -> None:
        """End what runs in the background; requests end with their generators, connections with the session."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def state(self) -> RouteState:
        """`off` where the settings leave out what a request needs, else `ready`."""
        missing = self._target.missing
        hint = missing or self._offer.hint()
        return RouteState(self.name, self.kind, "off" if missing else "ready", hint, self._target.asked.model)

    async def probe(self) -> None:
        """Ask every server for its list of models, which costs nothing; one that answers is enough.

        Raises:
            RouteError: none answered; this is what the first one said.
        """
        self._check_set_up()
        results = await asyncio.gather(*map(self._list, self._replicas.all), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, RouteError):
                raise result
        errors = [result for result in results if isinstance(result, RouteError)]
        if len(errors) == len(results):
            raise self._told(errors[0]) from None

    def tokens_within(self, ms: float) -> int | None:
        """Not known."""
        return None

    async def generate(self, request: Request) -> AsyncGenerator[Delta, None]:
        """Stream a reply; closing the generator drops the connection, which is how a server is told to stop.

        Until the first text, the next of several servers takes over where one fails or is silent for `STALL_S`, and a
        server that refuses a field is asked again without it.

        Raises:
            RouteError: typed by what the server said; the key never stands in it.
        """
        self._check_set_up()
        tried: list[Replica] = []
        replica = self._replicas.pick(request.sticky, self._clock())
        while replica is not None:
            body = self._lessons.applied_to(self._target.wire.body(request, self._target.asked))
            begun = False
            try:
                async with aclosing(self._ask(replica, body)) as deltas:
                    yield await self._first(deltas, replica, tried)
                    begun = True
                    async for delta in deltas:
                        yield delta
                return
            except RouteError as error:
                if begun:
                    raise self._told(error) from None
                if not self._lessons.learn(error, body):
                    tried.append(replica)
                    replica = self._successor(request, tried, error)
                    if replica is None:
                        raise self._told(error) from None

    async def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        """Open a connection where none may be left; a hosted model reads a prompt only when paid for a reply."""
        if not (self._target.missing or self._target.near or self._tasks) and self._clock() - self._used_s > IDLE_S:
            self._spawn(self._connect(request), "connect")
        return
        yield  # makes this an async generator

    async def count(self, request: Request) -> int | None:
        """The exact tokens of the prompt, as the provider counts them at no cost; None where it does not.

        Raises:
            RouteError: the provider did not answer.
        """
        wire = self._target.wire
        self._check_set_up()
        if not self._counts:
            return None
        body = self._lessons.applied_to(wire.count_body(request, self._target.asked))
        try:
            answer = await _in_time(self._transport.post(self._target.urls[0] / wire.count_path, body))
        except RouteRejected as error:
            self._counts = False  # it would say the same each time that somebody comes near an NPC
            raise self._told(error) from None
        except RouteError as error:
            raise self._told(error) from None
        count = answer.get("input_tokens") if isinstance(answer, dict) else None
        return count if isinstance(count, int) and count > 0 else None

    def __repr__(self) -> str:
        """Name and model; never the address, which may hold a password, nor the key."""
        return f"HostedBackend({self.name!r}, kind={self.kind!r}, model={self._target.asked.model!r})"

    async def _ask(self, replica: Replica, body: dict[str, Any]) -> AsyncGenerator[Delta, None]:
        """One request to one server, whose health is kept."""
        wire, asked_s = self._target.wire, self._clock()
        stream = wire.stream(self._target.asked.model)
        answered = False
        replica.outstanding += 1
        try:
            async with self._transport.events(replica.url / wire.path, body) as events:
                async for data in events:
                    if delta := stream.feed(data):
                        answered = True
                        yield delta
                    if stream.done:
                        break
            finish = stream.finish()
            self._replicas.recovered(replica)
            yield self._offer.priced(finish)
        except (RouteUnavailable, RouteBroken) as error:
            self._replicas.failed(replica, self._clock())
            raise error from None
        except RouteBusy as error:
            self._replicas.failed(replica, self._clock(), error.retry_after_s)
            raise
        except (GeneratorExit, asyncio.CancelledError):
            if not answered and self._clock() - asked_s >= STALL_S:
                self._replicas.failed(replica, self._clock())
            raise
        finally:
            replica.outstanding -= 1
            self._used_s = self._clock()

    async def _first(self, deltas: AsyncGenerator[Delta, None], replica: Replica, tried: list[Replica]) -> Delta:
        """The first delta of one server, which is not waited for long where another one may be quicker.

        There always is one: a reply without a word has its `Finish`, and any other end is raised.
        """
        now_s = self._clock()
        patience_s = STALL_S if self._replicas.any_well(now_s, (*tried, replica)) else None
        try:
            async with asyncio.timeout(patience_s) as scope:
                return await anext(deltas)
        except TimeoutError:
            if not scope.expired():
                raise
            self._replicas.failed(replica, self._clock())
            raise RouteBroken(f"the server had nothing to say for {STALL_S:g} s") from None

    def _successor(self, request: Request, tried: list[Replica], error: RouteError) -> Replica | None:
        """Who takes over after `error`: nobody where the request is to blame, for all would say the same."""
        if not isinstance(error, RouteUnavailable | RouteBroken | RouteBusy):
            return None
        return self._replicas.pick(request.sticky, self._clock(), tried)

    def _told(self, error: RouteError) -> RouteError:
        """`error` with what this route knows about it, and without the key: servers quote the one they refuse."""
        vendor, key = self._target.vendor, self._target.key
        status = 429 if isinstance(error, RouteBusy) else error.status if isinstance(error, RouteRejected) else None
        if status == 404 and self._offer.lacks_model:
            error.message = f"the route has no model {self._target.asked.model!r}"
            error.hint = self._offer.alternatives()
        if status is not None and status in vendor.hints:
            error.hint = f"{error.hint} ({vendor.hints[status]})"
        # The key goes first: a message cut in the midst of it would show its beginning.
        error.message = shown(error.message, key)
        error.hint = error.hint.replace(key, REDACTED) if key else error.hint
        error.args = (error.message,)
        return error

    def _check_set_up(self) -> None:
        if self._target.missing:
            raise RouteUnavailable(f"{self.name} is not set up", self._target.missing)

    async def _list(self, replica: Replica) -> None:
        """Read one server's list of models."""
        url = replica.url / self._target.list_path
        try:
            body = await _in_time(self._transport.get(url, self._target.wire.list_query, MAX_LIST_BYTES))
        except RouteRejected as error:
            if error.status not in _NO_LIST:
                raise
            body = b""  # a server without a list is there all the same
        self._replicas.recovered(replica)
        self._used_s = self._clock()
        big = len(body) > _BIG_LIST_BYTES
        self._offer.update(await asyncio.to_thread(read_listing, body) if big else read_listing(body))

    async def _get_ready(self) -> None:
        try:
            await self.probe()
        except RouteError as error:
            _log.warning("route_not_reached", route=self.name, problem=error.message, hint=error.hint)
        else:
            if hint := self._offer.hint():
                _log.warning("model_not_listed", route=self.name, hint=hint)

    async def _connect(self, request: Request) -> None:
        replica = self._replicas.pick(request.sticky, self._clock())
        if replica is None:
            return
        try:
            await _in_time(self._transport.connect(replica.url / self._target.list_path))
            self._used_s = self._clock()
        except RouteError as error:
            _log.info("route_not_reached", route=self.name, problem=error.message, hint=error.hint)

    def _spawn(self, coroutine: Coroutine[Any, Any, None], what: str) -> None:
        task = asyncio.create_task(coroutine, name=f"{what} {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _in_time(awaitable: Awaitable[_T]) -> _T:
    """What is awaited, if it comes within `PROBE_S`."""
    try:
        async with asyncio.timeout(PROBE_S):
            return await awaitable
    except TimeoutError:
        raise RouteUnavailable(f"no answer within {PROBE_S:.0f} s", "check the network and the provider") from None
