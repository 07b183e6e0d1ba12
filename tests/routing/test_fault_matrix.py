"""Every way in which a hosted route fails, with and without a local one: who answers, after how long, and what is told.

The hosted route is asked first, then the local one, which takes half a second, then the authored lines. Time is
virtual, so the times are exact. What a server does is told apart from what it looks like here: the backend turns each
fault into the steps below, which is tested over real sockets elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from server.backends.base import Backend, Request
from server.config import RoutingSettings
from server.errors import (
    ContextOverflow,
    RouteBroken,
    RouteBusy,
    RouteError,
    RouteFiltered,
    RouteRejected,
    RouteTimeout,
    RouteUnavailable,
)
from server.routing.answer import Answer
from server.routing.attempt import Attempt
from server.routing.router import Router
from tests.support.routes import Route, Step, authored, limits, request, text_of
from tests.support.virtual_time import now_s, virtual_time

HANG = 1_000.0
LOCAL_MS = 500
RETRY_MS = 250
"""The moment before a second try, where `chance` is 0.5."""
LOCAL, FLOOR, SAID = "One bed.", "Ask me later.", "Two rooms."


@dataclass(frozen=True)
class Fault:
    """What the hosted route does, and what it is called in the turn's attempts.

    `after_ms` is when it has failed; None where it hangs, `again` where a second try pays when nobody else is left.
    """

    name: str
    steps: Sequence[Step]
    outcome: str
    after_ms: int | None = 100
    again: bool = False
    opens: bool = False


@dataclass(frozen=True)
class Odd:
    """What is strange and still an answer: its text and its outcome."""

    name: str
    steps: Sequence[Step]
    text: str = SAID
    outcome: str = "ok"


def rejected(status: int) -> RouteError:
    return RouteRejected(f"the route refused the request ({status})", f"hint {status}", status=status)


def broken(what: str) -> RouteError:
    return RouteBroken(f"the route failed ({what})", f"hint {what}")


def busy(retry_after_s: float | None = None) -> RouteError:
    return RouteBusy("the route asks for patience (429)", "hint 429", retry_after_s=retry_after_s)


def away(what: str) -> RouteError:
    return RouteUnavailable(f"nobody answers ({what})", f"hint {what}")


FAULTS = (
    Fault("refused", (0.1, away("refused")), "unavailable", again=True),
    Fault("DNS failure", (0.1, away("DNS")), "unavailable", again=True),
    Fault("TLS failure", (0.1, away("TLS")), "unavailable", again=True),
    Fault("stall before the first byte", (HANG,), "timeout_first_text", None),
    Fault("stall after comments", (0.3, " ", 0.3, "<think>hm", HANG), "timeout_first_text", None),
    Fault("white space for ever", (" ", 0.1) * 300, "timeout_first_text", None),
    Fault("drop before text", (0.1, broken("dropped")), "broken", again=True),
    Fault("error chunk before text", (0.1, " ", broken("chunk")), "broken", again=True),
    Fault("400", (0.1, rejected(400)), "rejected"),
    Fault("401", (0.1, rejected(401)), "rejected", opens=True),
    Fault("402", (0.1, rejected(402)), "rejected", opens=True),
    Fault("403", (0.1, rejected(403)), "rejected", opens=True),
    Fault("403 by a filter", (0.1, RouteFiltered("withheld", "hint filter")), "filtered"),
    Fault("404", (0.1, rejected(404)), "rejected"),
    Fault("408", (0.1, broken("408")), "broken", again=True),
    Fault("429", (0.1, busy()), "busy"),
    Fault("429 with Retry-After", (0.1, busy(30)), "busy", opens=True),
    Fault("500", (0.1, broken("500")), "broken", again=True),
    Fault("502", (0.1, broken("502")), "broken", again=True),
    Fault("503", (0.1, broken("503")), "broken", again=True),
    Fault("503 after long", (1.15, broken("503")), "broken", 1_150),
    Fault("200 with an error body", (0.1, broken("body")), "broken", again=True),
    Fault("HTML page", (0.1, broken("page")), "broken", again=True),
    Fault("no word at all", (0.1,), "empty", again=True),
    Fault("10 MB error body", (0.1, broken("10 MB")), "broken", again=True),
    Fault("redirect", (0.1, rejected(302)), "rejected"),
    Fault("context overflow, twice", (0.1, ContextOverflow("too large", "hint context")), "context_overflow"),
)
ODD = (
    Odd("slow drip in time", (0.5, *[step for letter in SAID for step in (letter, 0.3)])),
    Odd("no [DONE]", (0.2, SAID)),
    Odd("drop in mid-stream", (0.2, "Two ", broken("dropped")), "Two ", "broken"),
    Odd("error chunk in mid-stream", (0.2, "Two ", broken("chunk")), "Two ", "broken"),
    Odd("filter in mid-stream", (0.2, "Two ", RouteFiltered("withheld")), "Two ", "filtered"),
    Odd("stall in mid-stream", (0.2, "Two ", HANG), "Two ", "timeout_gap"),
    Odd("a turn without end", ("Two ", 1.0) * 100, "Two " * 20, "timeout_turn"),
)


def build(backend: Backend) -> Request:
    return request()


async def play(steps: Sequence[Step], *, local_up: bool, hedged: bool = True) -> tuple[Router, Answer, str]:
    routes = [
        Route("hosted", *steps, hosted=True, paid=True),
        Route("local", LOCAL_MS / 1_000, LOCAL, state="ready" if local_up else "down"),
        authored(),
    ]
    settings = RoutingSettings(hedge_percent=7 if hedged else 0)
    router = Router(routes, settings, clock=now_s, chance=lambda: 0.5)
    answer = router.answer(build, limits(), rebuild=build)
    return router, answer, await text_of(answer)


@pytest.mark.parametrize("hedged", [True, False])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@virtual_time
async def test_a_fault_with_the_local_route_up_costs_a_moment(fault: Fault, hedged: bool):
    router, answer, text = await play(fault.steps, local_up=True, hedged=hedged)
    tries = 2 if fault.outcome == "context_overflow" else 1
    failed_ms = fault.after_ms * tries if fault.after_ms is not None else 1_200 if hedged else 2_500
    outcome = "overtaken" if fault.after_ms is None and hedged else fault.outcome
    assert text == LOCAL
    assert answer.first_text_ms == pytest.approx(failed_ms + LOCAL_MS)
    assert [(each.route, each.outcome) for each in answer.attempts] == [("hosted", outcome)] * tries + [("local", "ok")]
    assert not answer.degraded
    check_told(fault, answer.attempts, router)
    await router.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@virtual_time
async def test_a_fault_with_the_local_route_down_ends_in_authored_lines(fault: Fault):
    router, answer, text = await play(fault.steps, local_up=False)
    tries = 2 if fault.again or fault.outcome == "context_overflow" else 1
    failed_ms = 8_000 if fault.after_ms is None else fault.after_ms * tries + (RETRY_MS if fault.again else 0)
    assert text == FLOOR
    assert answer.first_text_ms == pytest.approx(failed_ms)
    told = [(each.route, each.outcome) for each in answer.attempts]
    assert [each for each in told if each[0] == "hosted"] == [("hosted", fault.outcome)] * tries
    assert told[-1] == ("authored", "ok")
    assert answer.degraded
    check_told(fault, answer.attempts, router)
    await router.close()


def check_told(fault: Fault, attempts: Sequence[Attempt], router: Router) -> None:
    """The hint of the failure is in the attempt that a notice is made of, and in the route's state."""
    for attempt in attempts:
        if attempt.failed and attempt.route == "hosted":
            assert attempt.message
            raised = next((step for step in fault.steps if isinstance(step, RouteError)), None)
            assert attempt.hint == (raised.hint if raised else attempt.hint)
            assert attempt.hint
    assert (router.states()[0].state == "down") == fault.opens
    if fault.opens:
        assert "hint" in router.states()[0].hint


@pytest.mark.parametrize("local_up", [True, False])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
@virtual_time
async def test_once_text_was_shown_no_other_route_is_asked(odd: Odd, local_up: bool):
    router, answer, text = await play(odd.steps, local_up=local_up)
    assert text == odd.text
    assert [(each.route, each.outcome) for each in answer.attempts] == [("hosted", odd.outcome)]
    assert answer.degraded == (odd.outcome != "ok")
    assert now_s() <= 20
    await router.close()


@pytest.mark.parametrize(
    ("steps", "outcome", "after_ms"),
    [
        ((0.1, RouteBroken("crashed")), "broken", 100),
        ((0.1, RouteUnavailable("restarting")), "unavailable", 100),
        ((HANG,), "overtaken", 1_200),
        ((0.1, RouteTimeout("first_text", "the engine gave up")), "timeout_first_text", 100),
    ],
)
@virtual_time
async def test_a_local_route_that_fails_first_is_backed_by_the_hosted_one(
    steps: Sequence[Step], outcome: str, after_ms: int
):
    routes = [Route("local", *steps), Route("hosted", 0.4, SAID, hosted=True, paid=True), authored()]
    router = Router(routes, clock=now_s)
    answer = router.answer(build, limits())
    assert await text_of(answer) == SAID
    assert [(each.route, each.outcome) for each in answer.attempts] == [("local", outcome), ("hosted", "ok")]
    assert answer.first_text_ms == pytest.approx(after_ms + 400)
    await router.close()
