import asyncio
from contextlib import aclosing

import pytest

from server.backends.base import Progress, TextDelta
from server.errors import (
    BudgetError,
    ContextOverflow,
    RouteBroken,
    RouteBusy,
    RouteError,
    RouteRejected,
    RouteUnavailable,
)
from server.routing.answer import Answer
from server.routing.router import Router
from tests.support.routes import UNHEDGED, Route, ask, authored, limits, request, text_of
from tests.support.virtual_time import now_s, virtual_time

REPLY = ("Two", " rooms", " left.")
FOREVER = 1_000.0


def told(answer: Answer) -> list[tuple[str, str, int]]:
    return [(attempt.route, attempt.outcome, attempt.ms) for attempt in answer.attempts]


def speaker(answer: Answer) -> str:
    assert answer.route is not None
    return answer.route.name


@virtual_time
async def test_the_first_route_answers():
    local, hosted = Route("local", 0.5, *REPLY), Route("hosted", "No.")
    answer = ask(local, hosted, authored())
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("local", "ok", 500)]
    assert speaker(answer) == "local"
    assert (answer.degraded, answer.first_text_ms, hosted.asked) == (False, 500, 0)
    assert answer.finish is not None
    assert answer.finish.usage.reply == 1


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (RouteUnavailable("no"), "unavailable"),
        (RouteRejected("no"), "rejected"),
        (RouteBusy("no"), "busy"),
        (RouteBroken("no"), "broken"),
        (ContextOverflow("no"), "context_overflow"),
    ],
)
@virtual_time
async def test_a_route_that_fails_before_text_hands_on(error: RouteError, outcome: str):
    local = Route("local", 0.2, error)
    answer = ask(local, Route("hosted", 0.1, *REPLY), authored())
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("local", outcome, 200), ("hosted", "ok", 100)]
    assert not answer.degraded


@virtual_time
async def test_a_silent_route_is_dropped_at_its_deadline():
    local = Route("local", FOREVER)
    answer = ask(local, Route("hosted", 1.0, *REPLY), authored())
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("local", "timeout_first_text", 2_500), ("hosted", "ok", 1_000)]
    assert (answer.first_text_ms, local.open) == (3_500, 0)


@pytest.mark.parametrize("first", ["  \n", "<think>what now", "Hilda:", Progress(1, 9)])
@virtual_time
async def test_what_nobody_can_hear_meets_no_deadline_and_leaves_nothing_behind(first: str | Progress):
    answer = ask(Route("local", first, FOREVER), Route("hosted", *REPLY), authored())
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("local", "timeout_first_text", 2_500), ("hosted", "ok", 0)]


@virtual_time
async def test_text_held_back_comes_once_it_is_useful():
    answer = ask(Route("local", " ", 1.0, " Two"), authored())
    assert await text_of(answer) == "  Two"
    assert answer.first_text_ms == 1_000


@virtual_time
async def test_text_that_turns_out_useful_only_at_its_end_is_an_answer():
    answer = ask(Route("local", "Hil"))
    assert await text_of(answer) == "Hil"
    assert told(answer) == [("local", "ok", 0)]


@virtual_time
async def test_a_stream_of_progress_without_a_pause_still_ends_at_the_deadline():
    steps = [step for done in range(100) for step in (Progress(done, 100), 0.1)]
    answer = ask(Route("local", *steps), Route("hosted", *REPLY))
    assert await text_of(answer) == "Two rooms left."
    assert told(answer)[0] == ("local", "timeout_first_text", 2_500)


@virtual_time
async def test_waiting_before_the_first_route_counts():
    await asyncio.sleep(2.0)
    answer = ask(Route("local", 1.0, *REPLY), Route("hosted", 1.0, "Yes."))
    assert await text_of(answer) == "Yes."
    assert told(answer) == [("local", "timeout_first_text", 500), ("hosted", "ok", 1_000)]


@virtual_time
async def test_the_last_model_may_go_on_until_authored_lines_would_speak():
    answer = ask(Route("local", 7.9, *REPLY), authored())
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("local", "ok", 7_900)]


@pytest.mark.parametrize("state", ["off", "down", "loading"])
@virtual_time
async def test_a_model_is_the_last_one_where_the_others_are_not_ready(state: str):
    hosted = Route("hosted", "No.", state=state)  # type: ignore[arg-type]  # parametrize gives plain str
    answer = ask(Route("local", 5.0, *REPLY), hosted, authored())
    assert await text_of(answer) == "Two rooms left."


@virtual_time
async def test_authored_lines_speak_when_their_time_has_come():
    answer = ask(Route("local", FOREVER), Route("hosted", FOREVER), authored())
    assert await text_of(answer) == "Ask me later."
    assert told(answer) == [
        ("local", "timeout_first_text", 2_500),
        ("hosted", "timeout_first_text", 5_500),
        ("authored", "ok", 0),
    ]
    assert (answer.degraded, answer.first_text_ms, speaker(answer)) == (True, 8_000, "authored")


@virtual_time
async def test_authored_lines_speak_at_once_when_all_models_have_failed():
    answer = ask(Route("local", RouteBroken("no")), Route("hosted", RouteBusy("no")), authored())
    assert await text_of(answer) == "Ask me later."
    assert answer.first_text_ms == 0
    assert answer.degraded


@virtual_time
async def test_no_model_is_asked_after_the_time_of_authored_lines():
    await asyncio.sleep(8.0)
    local = Route("local", *REPLY)
    answer = ask(local, authored())
    assert await text_of(answer) == "Ask me later."
    assert local.asked == 0


@virtual_time
async def test_authored_lines_stand_under_the_models_wherever_they_are_named():
    assert await text_of(ask(authored(), Route("local", *REPLY))) == "Two rooms left."


@virtual_time
async def test_authored_lines_speak_after_the_end_of_the_turn():
    answer = ask(Route("local", FOREVER), authored(), turn_ms=1_000)
    assert await text_of(answer) == "Ask me later."
    assert told(answer) == [("local", "timeout_turn", 1_000), ("authored", "ok", 0)]


@virtual_time
async def test_without_authored_lines_a_silent_turn_fails_at_its_end():
    answer = ask(Route("local", FOREVER), Route("hosted", FOREVER))
    with pytest.raises(RouteError, match="no route could answer"):
        await text_of(answer)
    assert told(answer) == [("local", "timeout_first_text", 2_500), ("hosted", "timeout_turn", 17_500)]
    assert now_s() == 20


@pytest.mark.parametrize("state", ["off", "down", "loading"])
@virtual_time
async def test_a_route_that_is_not_ready_is_passed_over_and_says_why(state: str):
    local = Route("local", *REPLY, state=state)  # type: ignore[arg-type]  # parametrize gives plain str
    answer = ask(local, Route("hosted", *REPLY))
    assert await text_of(answer) == "Two rooms left."
    assert answer.attempts[0].outcome == "unavailable"
    assert answer.attempts[0].hint == "start local"
    assert state in answer.attempts[0].message
    assert local.asked == 0


@virtual_time
async def test_a_prompt_over_one_routes_budget_goes_to_the_next():
    def build(backend: Route):
        if backend.name == "hosted":
            raise BudgetError("too large")
        return request()

    answer = Router([Route("hosted", *REPLY), Route("local", *REPLY)], clock=now_s).answer(build, limits())  # type: ignore[arg-type]  # the router hands over what it was given
    assert await text_of(answer) == "Two rooms left."
    assert [(attempt.route, attempt.outcome) for attempt in answer.attempts] == [
        ("hosted", "over_budget"),
        ("local", "ok"),
    ]


@pytest.mark.parametrize("steps", [(), (" ", "\n"), ("<think>hm</think>",)])
@pytest.mark.parametrize("finishes", [True, False])
@virtual_time
async def test_a_route_without_a_useful_word_hands_on(steps: tuple[str, ...], finishes: bool):
    answer = ask(Route("local", *steps, finishes=finishes), Route("hosted", *REPLY))
    assert await text_of(answer) == "Two rooms left."
    assert told(answer) == [("local", "empty", 0), ("hosted", "ok", 0)]


@virtual_time
async def test_a_gap_closes_the_answer_and_never_switches():
    hosted = Route("hosted", "No.")
    local = Route("local", "Two", 3.9, " rooms", 4.1, " left.")
    answer = ask(local, hosted, authored())
    assert await text_of(answer) == "Two rooms"
    assert told(answer) == [("local", "timeout_gap", 7_900)]
    assert (answer.degraded, hosted.asked, speaker(answer), local.open) == (True, 0, "local", 0)


@virtual_time
async def test_time_that_the_listener_takes_is_no_gap():
    answer = ask(Route("local", "Two", " rooms", " left."))
    async with aclosing(answer):
        assert await anext(answer) == TextDelta("Two")
        await asyncio.sleep(5)
        assert [delta async for delta in answer] == [TextDelta(" rooms"), TextDelta(" left.")]
    assert not answer.degraded


@virtual_time
async def test_a_turn_that_takes_too_long_is_closed():
    answer = ask(Route("local", *[step for _ in range(100) for step in ("and ", 1.0)]), authored())
    assert (await text_of(answer)).split() == ["and"] * 20
    assert told(answer) == [("local", "timeout_turn", 20_000)]
    assert answer.degraded


@virtual_time
async def test_an_error_after_text_closes_the_answer():
    hosted = Route("hosted", "No.")
    answer = ask(Route("local", "Two", RouteBroken("gone")), hosted, authored())
    assert await text_of(answer) == "Two"
    assert told(answer) == [("local", "broken", 0)]
    assert (answer.degraded, answer.finish, hosted.asked) == (True, None, 0)


@virtual_time
async def test_when_all_fail_the_error_holds_what_each_route_said():
    answer = ask(Route("local", state="down"), Route("hosted", RouteRejected("no credit", "add some")))
    with pytest.raises(RouteError, match="local is down; hosted: no credit") as caught:
        await text_of(answer)
    assert caught.value.hint == "start local"
    assert isinstance(caught.value.__cause__, ExceptionGroup)
    assert [type(error) for error in caught.value.__cause__.exceptions] == [RouteUnavailable, RouteRejected]
    assert answer.route is None


@virtual_time
async def test_without_any_route_the_answer_fails():
    with pytest.raises(RouteError, match="none is configured"):
        await text_of(ask())


@pytest.mark.parametrize("after_s", [0.0, 0.5, 1.0, 1.5, 2.5])
@virtual_time
async def test_a_cancelled_answer_cancels_the_backend_at_once(after_s: float):
    local = Route("local", 1.0, "Two", 1.0, " rooms", FOREVER)
    hosted, floor = Route("hosted", "No."), authored()
    answer = ask(local, hosted, floor)
    task = asyncio.create_task(text_of(answer))
    await asyncio.sleep(after_s)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert now_s() == after_s
    assert (local.open, hosted.asked, floor.asked) == (0, 0, 0)
    assert [attempt.outcome for attempt in answer.attempts] == (["stopped"] if local.asked else [])


@pytest.mark.parametrize("taken", [0, 1, 2])
@virtual_time
async def test_a_closed_answer_closes_the_backend_without_waiting(taken: int):
    local = Route("local", "Two", " rooms", FOREVER)
    answer = ask(local)
    for _ in range(taken):
        await anext(answer)
    await answer.aclose()
    await answer.aclose()
    assert (local.open, now_s()) == (0, 0)
    assert [attempt.outcome for attempt in answer.attempts] == (["stopped"] if taken else [])
    assert [delta async for delta in answer] == []


@virtual_time
async def test_cancelling_during_the_second_attempt_leaves_nothing_open():
    local, hosted = Route("local", FOREVER), Route("hosted", FOREVER)
    router = Router([local, hosted], UNHEDGED, clock=now_s)
    answer = router.answer(lambda backend: request(), limits())
    task = asyncio.create_task(text_of(answer))
    await asyncio.sleep(3)
    task.cancel()
    await asyncio.wait([task])
    assert (local.open, hosted.open) == (0, 0)
    assert told(answer) == [("local", "timeout_first_text", 2_500), ("hosted", "stopped", 500)]
    await router.close()
