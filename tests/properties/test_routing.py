import asyncio
from contextlib import aclosing
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from server.backends.base import Progress, RouteCondition, TextDelta
from server.errors import RouteBroken, RouteError
from server.routing.answer import Answer
from server.routing.limits import TurnLimits
from server.routing.router import Router
from tests.support.routes import Route, Step, request
from tests.support.virtual_time import now_s, virtual_time

LIMITS = TurnLimits(first_text_ms=2_500, authored_after_ms=8_000, gap_ms=4_000, turn_ms=20_000, received_s=0.0)
WAITS = st.floats(min_value=0, max_value=30)
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    WAITS | st.sampled_from(["word ", " ", "<think>", "</think>"]) | st.just(Progress(1, 2)) | st.just(RouteBroken("x"))
)
STATES: st.SearchStrategy[RouteCondition] = st.sampled_from(["ready", "ready", *get_args(RouteCondition)])


async def heard(answer: Answer) -> tuple[str, bool]:
    """What the listener got, and whether the answer failed."""
    text = ""
    try:
        async with aclosing(answer):
            async for delta in answer:
                text += delta.text if isinstance(delta, TextDelta) else ""
    except RouteError:
        return text, True
    return text, False


def check(answer: Answer, text: str, failed: bool) -> None:
    """One route at most has spoken, and the account says which and how well."""
    *before, last = answer.attempts or (None,)
    assert all(attempt is not None and attempt.outcome != "ok" for attempt in before)
    assert failed == (answer.route is None) == (text == "")
    if last is not None and not failed:
        assert answer.route is not None
        assert answer.route.name == last.route
        assert answer.degraded == (last.outcome != "ok" or last.route == "authored")


@given(st.lists(st.tuples(STATES, STEPS), max_size=3), st.booleans())
@virtual_time
async def test_every_answer_ends_in_time_from_one_route_and_leaves_nothing_open(
    scripts: list[tuple[RouteCondition, list[Step]]], has_floor: bool
):
    routes = [Route(f"r{index}", *steps, state=state) for index, (state, steps) in enumerate(scripts)]
    floor = [Route("authored", "Later.", generating=False)] if has_floor else []
    router = Router([*routes, *floor], clock=now_s)
    answer = router.answer(lambda backend: request(), LIMITS)
    text, failed = await heard(answer)
    assert now_s() <= 20.001
    assert not (has_floor and failed)
    check(answer, text, failed)
    assert [route.open for route in routes] == [0] * len(routes)
    await router.close()
    assert [route.warming for route in routes] == [0] * len(routes)


@given(st.lists(st.tuples(STATES, STEPS), max_size=3), WAITS)
@virtual_time
async def test_an_answer_cancelled_at_any_time_leaves_nothing_open(
    scripts: list[tuple[RouteCondition, list[Step]]], after_s: float
):
    routes = [Route(f"r{index}", *steps, state=state) for index, (state, steps) in enumerate(scripts)]
    router = Router([*routes, Route("authored", "Later.", generating=False)], clock=now_s)
    task = asyncio.create_task(heard(router.answer(lambda backend: request(), LIMITS)))
    await asyncio.sleep(after_s)
    task.cancel()
    await asyncio.wait([task])
    assert [route.open for route in routes] == [0] * len(routes)
    await router.close()
