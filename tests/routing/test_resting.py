"""Routes that fail rest, are probed in the background, and say all that in their state."""

import asyncio

import pytest

from server.backends.base import Request, RouteState
from server.errors import RouteBroken, RouteBusy, RouteEmpty, RouteError, RouteRejected, RouteUnavailable
from server.routing.router import Router
from tests.support.routes import UNHEDGED, Route, authored, limits, request, text_of
from tests.support.virtual_time import now_s, virtual_time


def router_of(*routes: Route) -> Router:
    return Router([*routes, authored()], UNHEDGED, clock=now_s, chance=lambda: 0.0)


async def turn(router: Router) -> list[tuple[str, str]]:
    answer = router.answer(lambda backend: request(), limits(received_s=now_s()))
    await text_of(answer)
    return [(attempt.route, attempt.outcome) for attempt in answer.attempts]


@virtual_time
async def test_after_three_failures_a_route_is_passed_over_until_a_probe_goes_well():
    hosted = Route("hosted", 0.1, RouteRejected("what?", "look", status=400), probes=[RouteUnavailable("still down")])
    router = router_of(hosted)
    for _ in range(3):
        assert await turn(router) == [("hosted", "rejected"), ("authored", "ok")]
    assert await turn(router) == [("hosted", "unavailable"), ("authored", "ok")]
    assert router.states()[0].state == "down"
    assert router.states()[0].hint == "what? (look); it is looked at again in 10 s"
    await asyncio.sleep(10.1)
    assert (hosted.probed, router.states()[0].state) == (1, "down")
    await asyncio.sleep(20)
    assert (hosted.probed, router.states()[0].state) == (2, "ready")
    assert await turn(router) == [("hosted", "rejected"), ("authored", "ok")]
    assert (router.states()[0].state, hosted.asked) == ("down", 4)
    await router.close()


@virtual_time
async def test_a_route_that_answers_again_has_nothing_to_explain():
    class Mended(Route):
        def steps_for(self, request: object) -> tuple[RouteError | str, ...]:
            return (RouteRejected("what?"),) if self.asked == 1 else ("Two rooms.",)

        def state(self) -> RouteState:
            return RouteState(self.name, self.kind, "ready")

    router = router_of(Mended("hosted"))
    await turn(router)
    assert "what?" in router.states()[0].hint
    await turn(router)
    assert router.states()[0].hint == ""


@virtual_time
async def test_a_route_that_says_when_is_left_alone_until_then():
    hosted = Route("hosted", RouteBusy("full", retry_after_s=42))
    router = router_of(hosted)
    await turn(router)
    await asyncio.sleep(41)
    assert await turn(router) == [("hosted", "unavailable"), ("authored", "ok")]
    assert (hosted.asked, hosted.probed) == (1, 0)
    await asyncio.sleep(1.1)
    assert await turn(router) == [("hosted", "busy"), ("authored", "ok")]
    await router.close()


@pytest.mark.parametrize("status", [401, 403])
@virtual_time
async def test_a_refused_key_is_not_tried_again(status: int):
    hosted = Route("hosted", RouteRejected("bad key", "check `api_key`", status=status))
    router = router_of(hosted)
    await turn(router)
    await asyncio.sleep(100_000)
    assert await turn(router) == [("hosted", "unavailable"), ("authored", "ok")]
    assert (hosted.asked, hosted.probed) == (1, 0)
    assert router.states()[0].hint == "bad key (check `api_key`); it is asked again after a restart"
    await router.close()


@virtual_time
async def test_a_route_without_credit_rests_ten_minutes():
    hosted = Route("hosted", RouteRejected("no credit", status=402))
    router = router_of(hosted)
    await turn(router)
    await asyncio.sleep(599)
    assert hosted.probed == 0
    await asyncio.sleep(2)
    assert (hosted.probed, router.states()[0].state) == (1, "ready")
    await router.close()


@virtual_time
async def test_a_probe_that_hangs_is_a_probe_that_failed():
    class Hanging(Route):
        async def probe(self) -> None:
            self.probed += 1
            await asyncio.sleep(1_000)

    hosted = Hanging("hosted", RouteBusy("full", retry_after_s=1))
    router = router_of(hosted)
    await turn(router)
    await asyncio.sleep(7)
    assert (hosted.probed, router.states()[0].state) == (1, "down")
    await router.close()


@pytest.mark.parametrize(("hosted", "asked"), [(False, 5), (True, 3)])
@pytest.mark.parametrize("step", [1_000.0, RouteEmpty("silence")])
@virtual_time
async def test_a_slow_or_silent_engine_on_this_machine_is_asked_again(
    hosted: bool, asked: int, step: float | RouteError
):
    route = Route("local", 1.1, step, hosted=hosted)
    router = router_of(route)
    for _ in range(5):
        await turn(router)
    assert route.asked == asked
    await router.close()


@virtual_time
async def test_a_deadline_too_short_to_judge_by_rests_nobody():
    hosted = Route("hosted", 5.0, "Two rooms.", hosted=True)
    router = router_of(hosted)
    for _ in range(5):
        short = limits(first_text_ms=200, authored_after_ms=200, received_s=now_s())
        await text_of(router.answer(lambda backend: request(), short))
    assert hosted.asked == 5


@virtual_time
async def test_streams_that_break_off_count_as_failures():
    hosted = Route("hosted", "Two", RouteBroken("dropped"), hosted=True)
    router = router_of(hosted)
    for _ in range(3):
        assert await turn(router) == [("hosted", "broken")]
    assert await turn(router) == [("hosted", "unavailable"), ("authored", "ok")]
    await router.close()


@virtual_time
async def test_a_longer_rest_that_is_asked_for_while_it_is_probed_holds():
    class Slow(Route):
        async def probe(self) -> None:
            self.probed += 1
            await asyncio.sleep(3)

        def steps_for(self, request: Request) -> tuple[float | RouteError, ...]:
            first = self.asked == 1
            return (2.0, RouteBusy("full", retry_after_s=60)) if first else (RouteBusy("full", retry_after_s=1),)

    hosted = Slow("hosted")
    router = router_of(hosted)
    await asyncio.gather(turn(router), turn(router))  # probed from 1 s to 4 s; the longer rest is asked for at 2 s
    await asyncio.sleep(55)
    assert (hosted.probed, router.states()[0].state) == (1, "down")
    await asyncio.sleep(10)
    assert (hosted.probed, router.states()[0].state) == (2, "ready")
    await router.close()


@virtual_time
async def test_nothing_is_probed_after_close():
    hosted = Route("hosted", RouteBusy("full", retry_after_s=1))
    router = router_of(hosted)
    await router.close()
    await turn(router)
    await asyncio.sleep(5)
    assert hosted.probed == 0
