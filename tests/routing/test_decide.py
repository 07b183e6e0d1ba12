"""What is done next, by the clock and by who is left."""

import pytest

from server.errors import RouteBroken, RouteBusy, RouteEmpty, RouteRejected, RouteTimeout
from server.routing.decide import (
    Ask,
    GiveUp,
    Pending,
    Situation,
    Step,
    Wait,
    comes_late,
    give_up_at_s,
    late_at_s,
    next_step,
    retry_in_s,
)
from tests.support.routes import limits

LIMITS = limits(received_s=100.0)
ONE = Pending(late_at_s=102.5, hedge_at_s=101.2)
TWO = Pending(late_at_s=103.7, hedge_at_s=102.4)


def step(now_s: float, *pending: Pending, another: bool = True, floor: bool = True, may_hedge: bool = True) -> Step:
    return next_step(Situation(now_s, pending, another, floor, may_hedge), LIMITS)


def test_the_first_route_pays_for_the_time_since_receipt_and_a_later_one_has_its_own_count():
    assert late_at_s(LIMITS, 101.0, first=True) == 102.5
    assert late_at_s(LIMITS, 103.0, first=False) == 105.5


def test_generating_routes_have_time_until_authored_lines_speak_or_the_turn_ends():
    assert give_up_at_s(LIMITS, floor=True) == 108.0
    assert give_up_at_s(LIMITS, floor=False) == 120.0
    short = limits(turn_ms=1_000)
    assert give_up_at_s(short, floor=True) == give_up_at_s(short, floor=False) == 1.0


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (step(100.0), Ask("first")),
        (step(100.0, another=False), GiveUp(None)),
        (step(100.0, ONE), Wait(101.2)),
        (step(101.2, ONE), Ask("beside")),
        (step(101.2, ONE, may_hedge=False), Wait(102.5)),
        (step(101.2, ONE, another=False), Wait(108.0)),
        (step(101.2, ONE, another=False, floor=False), Wait(120.0)),
        (step(102.5, ONE), Ask("late")),
        (step(102.5, ONE, another=False), Wait(108.0)),
        (step(102.5, ONE, TWO), Wait(103.7)),
        (step(103.7, ONE, TWO), Ask("late")),
        (step(103.7, ONE, TWO, another=False), Wait(108.0)),
        (step(108.0, ONE), GiveUp("first_text")),
        (step(108.0, ONE, floor=False), Ask("late")),
        (step(120.0, ONE, floor=False), GiveUp("turn")),
        (step(121.0), GiveUp("turn")),
    ],
)
def test_the_next_step(got: Step, expected: Step):
    assert got == expected


def test_a_forecast_is_late_when_it_ends_after_the_deadline():
    assert comes_late(2_600, 100.0, 102.5)
    assert not comes_late(2_400, 100.0, 102.5)


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_a_quick_failure_is_tried_again_after_a_jittered_moment(chance: float):
    assert retry_in_s(RouteBroken("x"), 0.2, 7.0, chance) == pytest.approx(0.1 + 0.3 * chance)


@pytest.mark.parametrize(
    ("error", "took_s", "left_s"),
    [
        (RouteRejected("x", status=400), 0.1, 7.0),
        (RouteBusy("x", retry_after_s=1), 0.1, 7.0),
        (RouteTimeout("first_text", "x"), 0.1, 7.0),
        (RouteBroken("x"), 1.1, 7.0),
        (RouteEmpty("x"), 0.1, 0.3),
    ],
)
def test_what_would_fail_again_or_has_no_time_left_is_not_tried_again(error: Exception, took_s: float, left_s: float):
    assert retry_in_s(error, took_s, left_s, 0.5) is None  # type: ignore[arg-type]  # parametrize gives plain errors
