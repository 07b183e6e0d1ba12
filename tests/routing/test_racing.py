"""A second route beside the first, another in place of one that foretells its delay, a second try, a smaller prompt."""

import asyncio
from collections.abc import Callable

import pytest

from server.backends.base import Backend, Finish, Forecast, Request
from server.config import RoutingSettings
from server.errors import ContextOverflow, RouteBroken, RouteBusy, RouteError, RouteFiltered
from server.routing.answer import Answer
from server.routing.router import Router
from server.text.segments import Prompt
from tests.support.routes import UNHEDGED, Route, authored, limits, request, text_of
from tests.support.virtual_time import now_s, virtual_time

REPLY = ("Two", " rooms", " left.")
FOREVER = 1_000.0


class Purse:
    """Knows every request that was paid for; `empty` refuses paid routes."""

    def __init__(self, *, empty: bool = False) -> None:
        self.empty = empty
        self.noted: list[tuple[str, str, bool]] = []

    def may_ask(self, backend: Backend) -> bool:
        return not (backend.paid and self.empty)

    def note(
        self, backend: Backend, request: Request, said: str, finish: Finish | None, *, dropped: bool = False
    ) -> None:
        self.noted.append((backend.name, said, finish is not None))

    def wants_count(self, backend: Backend) -> bool:
        return False

    def counted(self, backend: Backend, prompt: Prompt, prompt_tokens: int) -> None:
        raise AssertionError("nobody was asked to count")


def build(backend: Backend) -> Request:
    return request()


def router_of(*routes: Route, purse: Purse | None = None, chance: Callable[[], float] = lambda: 0.0) -> Router:
    return Router(routes, RoutingSettings(), clock=now_s, spending=purse or Purse(), chance=chance)


def told(answer: Answer) -> list[tuple[str, str, int]]:
    return [(attempt.route, attempt.outcome, attempt.ms) for attempt in answer.attempts]


@virtual_time
async def test_a_silent_first_route_is_helped_by_the_second_and_dropped_when_that_one_speaks():
    local, hosted, purse = Route("local", FOREVER), Route("hosted", 0.3, *REPLY), Purse()
    router = router_of(local, hosted, authored(), purse=purse)
    answer = router.answer(build, limits())
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("local", "overtaken", 1_500), ("hosted", "ok", 300)]
    assert (answer.first_text_ms, answer.degraded, local.open) == (1_500, False, 0)
    assert purse.noted == [("local", "", False), ("hosted", "Two rooms left.", True)]
    await router.close()


@virtual_time
async def test_the_first_route_may_still_win_and_the_second_is_dropped_at_once():
    local, hosted = Route("local", 1.3, "Two", 1.0, " rooms"), Route("hosted", 0.3, *REPLY)
    answer = router_of(local, hosted, authored()).answer(build, limits())
    assert await anext(answer)
    await asyncio.sleep(0)
    assert (now_s(), hosted.open) == (1.3, 0)
    assert await text_of(answer) == " rooms"
    assert told(answer) == [("hosted", "overtaken", 100), ("local", "ok", 2_300)]


@virtual_time
async def test_no_second_route_is_asked_while_the_first_is_in_time():
    hosted = Route("hosted", *REPLY)
    await text_of(router_of(Route("local", 1.1, *REPLY), hosted).answer(build, limits()))
    assert hosted.asked == 0


@virtual_time
async def test_both_are_waited_for_past_the_deadline_where_no_third_is_left():
    answer = router_of(Route("local", 6.0, *REPLY), Route("hosted", FOREVER), authored()).answer(build, limits())
    assert await text_of(answer) == "Two rooms left."
    assert answer.first_text_ms == 6_000


@virtual_time
async def test_a_third_route_takes_the_place_of_two_late_ones():
    local, hosted, third = Route("local", FOREVER), Route("hosted", FOREVER), Route("third", 0.5, *REPLY)
    router = router_of(local, hosted, third, authored())
    answer = router.answer(build, limits())
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [
        ("local", "timeout_first_text", 3_700),
        ("hosted", "timeout_first_text", 2_500),
        ("third", "ok", 500),
    ]
    await router.close()


@virtual_time
async def test_when_the_first_of_two_fails_the_other_goes_on_alone():
    local, hosted = Route("local", 1.5, RouteBroken("gone")), Route("hosted", 1.0, *REPLY)
    answer = router_of(local, hosted, authored()).answer(build, limits())
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("local", "broken", 1_500), ("hosted", "ok", 1_000)]
    assert (local.asked, hosted.asked) == (1, 1)


@virtual_time
async def test_a_route_that_is_usually_quick_is_helped_sooner():
    class Usually(Route):
        def steps_for(self, request: Request) -> tuple[float | str, ...]:
            return (0.2 if self.asked <= 30 else FOREVER, *REPLY)

    router = router_of(Usually("local"), Route("hosted", 0.1, *REPLY))
    for _ in range(30):
        await text_of(router.answer(build, limits(received_s=now_s())))
    answer = router.answer(build, limits(received_s=now_s()))
    await text_of(answer)
    assert told(answer) == [("local", "overtaken", 300), ("hosted", "ok", 100)]
    await router.close()


@virtual_time
async def test_what_nobody_waits_for_is_not_hedged():
    hosted = Route("hosted", *REPLY)
    answer = router_of(Route("local", 2.0, *REPLY), hosted).answer(build, limits(), purpose="ambient")
    await text_of(answer)
    assert hosted.asked == 0


@virtual_time
async def test_an_empty_purse_leaves_paid_routes_alone_and_says_so():
    hosted = Route("hosted", *REPLY, hosted=True, paid=True)
    router = router_of(Route("local", FOREVER), hosted, authored(), purse=Purse(empty=True))
    answer = router.answer(build, limits())
    assert await text_of(answer) == "Ask me later."
    assert hosted.asked == 0
    state = router.states()[1]
    assert (state.state, "midnight" in state.hint) == ("off", True)
    await router.close()


@virtual_time
async def test_a_foretold_delay_goes_to_the_next_route_at_once_and_the_engine_reads_on():
    local = Route("local", Forecast(3_000, 400), 3.0, *REPLY, warm_steps=(1.0,))
    hosted = Route("hosted", 0.4, *REPLY)
    router = router_of(local, hosted, authored())
    answer = router.answer(build, limits())
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("local", "predicted_late", 0), ("hosted", "ok", 400)]
    assert (answer.first_text_ms, local.open, local.warming) == (400, 0, 1)
    await router.close()


@pytest.mark.parametrize("state", ["ready", "down"])
@virtual_time
async def test_a_foretold_delay_changes_nothing_where_it_is_short_or_nobody_else_is_ready(state: str):
    foretold_ms = 2_000 if state == "ready" else 5_000
    local = Route("local", Forecast(foretold_ms, 400), foretold_ms / 1_000, *REPLY)
    hosted = Route("hosted", FOREVER, state=state)  # type: ignore[arg-type]  # parametrize gives plain str
    router = Router([local, hosted, authored()], UNHEDGED, clock=now_s)
    answer = router.answer(build, limits())
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("local", "ok", foretold_ms)]


@virtual_time
async def test_an_engine_that_foretold_its_delay_is_asked_again_when_the_others_fail():
    local = Route("local", Forecast(3_000, 400), 3.0, *REPLY)
    router = router_of(local, Route("hosted", 0.4, RouteBusy("full", retry_after_s=20)), authored())
    answer = router.answer(build, limits())
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("local", "predicted_late", 0), ("hosted", "busy", 400), ("local", "ok", 3_000)]
    assert not answer.degraded
    await router.close()


@virtual_time
async def test_a_foretold_delay_does_not_lead_to_a_route_that_has_just_failed():
    hosted = Route("hosted", RouteBroken("no"), hosted=True)
    local = Route("local", Forecast(4_000, 400), 4.0, *REPLY)
    router = Router([local, hosted, authored()], UNHEDGED, clock=now_s)
    for _ in range(3):
        await text_of(router.answer(build, limits(received_s=now_s())))
    await asyncio.sleep(10)
    answer = router.answer(build, limits(received_s=now_s()))  # hosted is half-open: asked in its turn, not sooner
    await text_of(answer)
    assert told(answer)[0] == ("local", "timeout_first_text", 2_500)
    await router.close()


@virtual_time
async def test_the_only_route_is_asked_a_second_time_after_a_moment():
    class Once(Route):
        def steps_for(self, request: Request) -> tuple[RouteError | str, ...]:
            return (RouteBroken("dropped"),) if self.asked == 1 else REPLY

    answer = router_of(Once("hosted"), authored(), chance=lambda: 0.5).answer(build, limits())
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("hosted", "broken", 0), ("hosted", "ok", 0)]
    assert answer.first_text_ms == pytest.approx(250)


@virtual_time
async def test_a_second_failure_is_the_last():
    hosted = Route("hosted", RouteBroken("dropped"))
    answer = router_of(hosted, authored()).answer(build, limits())
    assert await text_of(answer) == "Ask me later."
    assert hosted.asked == 2


@virtual_time
async def test_nothing_is_tried_again_once_text_was_shown():
    hosted = Route("hosted", "Two", RouteBroken("dropped"))
    answer = router_of(hosted, authored()).answer(build, limits())
    assert await text_of(answer) == "Two"
    assert (hosted.asked, answer.degraded) == (1, True)


@virtual_time
async def test_a_prompt_larger_than_the_context_is_asked_smaller_once():
    class Small(Route):
        def steps_for(self, request: Request) -> tuple[RouteError | str, ...]:
            return REPLY if request.heard == "short" else (ContextOverflow("too large"),)

    answer = router_of(Small("hosted"), authored()).answer(build, limits(), rebuild=lambda backend: request("short"))
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("hosted", "context_overflow", 0), ("hosted", "ok", 0)]


@virtual_time
async def test_a_prompt_that_is_still_too_large_goes_to_the_next_route():
    hosted = Route("hosted", ContextOverflow("too large"))
    answer = router_of(hosted, authored()).answer(build, limits(), rebuild=build)
    assert await text_of(answer) == "Ask me later."
    assert hosted.asked == 2


@virtual_time
async def test_a_withheld_answer_ends_in_a_deflection():
    class Floor(Route):
        heard = "?"

        def steps_for(self, request: Request) -> tuple[str, ...]:
            self.heard = request.heard
            return ("I only know the river.",)

    floor = Floor("authored", generating=False)
    answer = router_of(Route("hosted", RouteFiltered("no")), floor).answer(build, limits())
    assert await text_of(answer) == "I only know the river."
    assert floor.heard == ""


@virtual_time
async def test_orders_by_purpose_and_a_personas_own_routes_win():
    routes = [Route("local", "local"), Route("big", "big"), Route("small", "small"), authored()]
    settings = RoutingSettings(orders={"ambient": ("small", "authored")})
    router = Router(routes, settings, order=("local", "authored"), clock=now_s)
    assert await text_of(router.answer(build, limits())) == "local"
    assert await text_of(router.answer(build, limits(), purpose="summary")) == "local"
    assert await text_of(router.answer(build, limits(), purpose="ambient")) == "small"
    assert await text_of(router.answer(build, limits(), only=("big",))) == "big"
    assert await text_of(router.answer(build, limits(), only=("nobody", "big"), purpose="ambient")) == "big"
    assert await text_of(router.answer(build, limits(), only=("nobody",))) == "local"


@virtual_time
async def test_authored_lines_stand_under_a_personas_own_routes():
    own = Route("big", RouteBusy("full"))
    router = Router([Route("local", "local"), own, authored()], order=("local", "authored"), clock=now_s)
    assert await text_of(router.answer(build, limits(), only=("big",))) == "Ask me later."


@virtual_time
async def test_a_mistake_of_ours_is_no_failed_route():
    class Broken(Route):
        def steps_for(self, request: Request) -> tuple[str, ...]:
            raise KeyError("ours")

    local = Broken("local")
    with pytest.raises(KeyError):
        await text_of(router_of(local, Route("hosted", *REPLY)).answer(build, limits()))
    assert local.open == 0
