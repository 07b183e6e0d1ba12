"""What routes read without being asked to speak: prompts that came too late, and warm-ups."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from server.backends.base import Progress, Request
from server.config import SpendSettings
from server.errors import RouteBroken, RouteError, RouteUnavailable
from server.routing.counting import HostedCounting
from server.routing.router import Router
from server.routing.spending import Purse
from tests.support.routes import UNHEDGED, Route, ask, authored, limits, request, text_of
from tests.support.virtual_time import now_s, virtual_time

REPLY = ("Two", " rooms", " left.")
FOREVER = 1_000.0


@virtual_time
async def test_a_late_route_reads_on_in_the_background():
    local = Route("local", FOREVER, warm_steps=(3.0, Progress(9, 9)))
    router = Router([local, Route("hosted", *REPLY)], UNHEDGED, clock=now_s)
    assert await text_of(router.answer(lambda backend: request(), limits())) == "Two rooms left."
    await asyncio.sleep(0)
    assert (local.warmed, local.warming) == (1, 1)
    await asyncio.sleep(3.1)
    assert local.warming == 0
    await router.close()


@virtual_time
async def test_a_route_that_failed_reads_nothing_on():
    local = Route("local", RouteBroken("no"))
    await text_of(ask(local, Route("hosted", *REPLY)))
    await asyncio.sleep(0)
    assert local.warmed == 0


@virtual_time
async def test_a_route_reads_one_prompt_on_at_a_time_and_none_after_close():
    local = Route("local", FOREVER, warm_steps=(FOREVER,))
    router = Router([local, Route("hosted", *REPLY)], UNHEDGED, clock=now_s)
    for _ in range(2):
        await text_of(router.answer(lambda backend: request(), limits(received_s=now_s())))
        await asyncio.sleep(0.1)
    assert (local.warmed, local.warming) == (2, 1)
    await router.close()
    assert local.warming == 0
    assert local.closed


class Slow(Route):
    """Takes a second to let go of what it reads."""

    async def warm(self, request: Request) -> AsyncGenerator[Progress, None]:
        self.warming += 1
        try:
            await asyncio.sleep(FOREVER)
            yield Progress(1, 1)
        finally:
            await asyncio.sleep(1.0)
            self.warming -= 1


@virtual_time
async def test_closing_waits_also_for_what_gave_way_to_a_newer_prompt():
    local = Slow("local", FOREVER)
    router = Router([local, Route("hosted", *REPLY)], UNHEDGED, clock=now_s)
    for _ in range(2):
        await text_of(router.answer(lambda backend: request(), limits(received_s=now_s())))
        await asyncio.sleep(0.1)
    await router.close()
    assert local.warming == 0


@virtual_time
async def test_reading_on_may_fail():
    local = Route("local", FOREVER, warm_steps=(1.0, RouteBroken("crashed")))
    router = Router([local, Route("hosted", *REPLY)], UNHEDGED, clock=now_s)
    await text_of(router.answer(lambda backend: request(), limits()))
    await asyncio.sleep(2)
    assert local.warming == 0
    await router.close()


@virtual_time
async def test_warming_asks_the_first_model_that_is_ready():
    off, local = Route("off", state="off"), Route("local", warm_steps=(Progress(1, 2), Progress(2, 2)))
    router = Router([authored(), off, local], clock=now_s)
    assert [step async for step in router.warm(lambda backend: request())] == [Progress(1, 2), Progress(2, 2)]
    assert (off.warmed, local.warming) == (0, 0)


@virtual_time
async def test_warming_also_connects_the_next_hosted_route_and_asks_nobody():
    local, broken = Route("local", warm_steps=(Progress(2, 2),)), Route("broken", state="down", hosted=True)
    hosted, last = Route("hosted", hosted=True, paid=True), Route("last", hosted=True)
    router = Router([local, broken, hosted, last, authored()])
    assert [step async for step in router.warm(lambda backend: request())] == [Progress(2, 2)]
    await asyncio.sleep(0)
    assert [route.warmed for route in (local, broken, hosted, last)] == [1, 0, 1, 0]
    assert [route.asked for route in (local, broken, hosted, last)] == [0, 0, 0, 0]
    await router.close()


class Counting(Route):
    """Counts what it is shown."""

    def __init__(self, name: str, tokens: int | RouteError) -> None:
        super().__init__(name, hosted=True, paid=True)
        self.counted: list[Request] = []
        self._tokens = tokens

    async def count(self, request: Request) -> int:
        self.counted.append(request)
        if isinstance(self._tokens, RouteError):
            raise self._tokens
        return self._tokens


async def warm(router: Router, heard: str) -> None:
    async for _ in router.warm(lambda backend: request(heard)):
        pass
    await asyncio.sleep(0)
    await asyncio.sleep(0)


@virtual_time
async def test_a_provider_that_is_asked_first_counts_a_prompt_before_the_first_reply():
    counting = HostedCounting()
    hosted, heard = Counting("hosted", 400), "x" * 3_000
    router = Router([hosted], spending=Purse(SpendSettings(), counting))
    before = counting.tokenizer_for(hosted).count(heard)
    await warm(router, heard)
    assert counting.tokenizer_for(hosted).count(heard) < before / 2
    await warm(router, heard)
    assert len(hosted.counted) == 1
    await router.close()


@virtual_time
async def test_a_provider_that_may_never_be_asked_is_shown_no_prompt():
    hosted = Counting("hosted", 400)
    router = Router([Route("local"), hosted], spending=Purse(SpendSettings(), HostedCounting()))
    await warm(router, "x" * 3_000)
    assert (hosted.warmed, hosted.counted) == (1, [])
    await router.close()


@virtual_time
async def test_a_count_that_fails_costs_nothing():
    counting = HostedCounting()
    hosted = Counting("hosted", RouteUnavailable("nobody there"))
    router = Router([hosted], spending=Purse(SpendSettings(), counting))
    await warm(router, "x" * 3_000)
    assert len(hosted.counted) == 1
    assert not counting.knows(hosted)
    assert router.states()[0].state == "ready"
    await router.close()


@virtual_time
async def test_warming_without_a_model_does_nothing():
    assert [step async for step in Router([authored()]).warm(lambda backend: request())] == []


@virtual_time
async def test_the_router_starts_and_closes_every_backend_and_tells_their_states():
    class Stubborn(Route):
        async def close(self) -> None:
            raise RouteBroken("will not end")

    stubborn, local = Stubborn("stubborn"), Route("local", state="loading")
    router = Router([stubborn, local])
    await router.start()
    assert stubborn.started
    assert local.started
    assert [(state.name, state.state) for state in router.states()] == [("stubborn", "ready"), ("local", "loading")]
    with pytest.raises(ExceptionGroup):
        await router.close()
    assert local.closed
