"""When a second route is asked, and how often at most."""

import random

from server.routing.hedge import WINDOW, HedgeBudget, hedge_after_ms
from server.routing.latency import ENOUGH, KEPT, Latency


def test_few_times_say_nothing():
    latency = Latency()
    for _ in range(ENOUGH - 1):
        latency.add(300)
    assert latency.p95_ms() is None
    latency.add(300)
    assert latency.p95_ms() == 300


def test_the_95th_percentile_is_that_of_the_newest_times():
    latency = Latency()
    for ms in range(1_000):
        latency.add(float(ms))
    newest = range(1_000 - KEPT, 1_000)
    p95 = latency.p95_ms()
    assert p95 is not None
    assert sum(ms <= p95 for ms in newest) == 0.95 * KEPT


def test_the_first_route_is_waited_for_as_long_as_usual_but_never_too_long():
    assert hedge_after_ms(None, 1_200) == 1_200
    assert hedge_after_ms(400, 1_200) == 400
    assert hedge_after_ms(3_000, 1_200) == 1_200


def test_hedges_keep_to_their_share_of_every_window_of_turns():
    budget, rng, hedges = HedgeBudget(7), random.Random(1), []
    for _ in range(5_000):
        budget.turn_begun()
        wanted = rng.random() < 0.3 and budget.has_room()
        hedges.append(wanted)
        if wanted:
            budget.hedged()
    shares = [sum(hedges[start : start + WINDOW]) / WINDOW for start in range(len(hedges) - WINDOW)]
    assert max(shares) == 0.07
    assert sum(hedges) / len(hedges) > 0.065


def test_a_first_turn_may_be_hedged():
    budget = HedgeBudget(7)
    budget.turn_begun()
    assert budget.has_room()


def test_a_share_of_nothing_is_never():
    budget = HedgeBudget(0)
    budget.turn_begun()
    assert not budget.has_room()
