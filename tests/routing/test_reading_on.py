"""What routes read without being asked to speak: prompts that came too late, and warm-ups."""

import asyncio

import pytest

from server.backends.base import Progress
from server.errors import (
    RouteBroken,
)
from server.routing.router import Router
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
