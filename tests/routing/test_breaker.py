"""A route that fails rests, for longer each time, and comes back through a probe and one answer."""

import pytest

from server.routing.breaker import FOR_GOOD, Breaker, Rests

RESTS = Rests(failures=3, first_s=10, longest_s=300)


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker(RESTS)
    for _ in range(3):
        breaker.failed(now_s)
    return breaker


def test_it_opens_at_the_third_failure_in_a_row():
    breaker = Breaker(RESTS)
    for _ in range(2):
        breaker.failed(0)
    assert breaker.condition == "closed"
    breaker.failed(7)
    assert (breaker.condition, breaker.until_s) == ("open", 17)


def test_an_answer_between_failures_begins_the_count_anew():
    breaker = Breaker(RESTS)
    for _ in range(4):
        breaker.failed(0)
        breaker.failed(0)
        breaker.succeeded()
    assert breaker.condition == "closed"


def test_each_probe_that_fails_doubles_the_rest_up_to_the_longest():
    breaker, now_s, rests = opened(), 0.0, []
    for _ in range(8):
        rests.append(breaker.until_s - now_s)
        now_s = breaker.until_s
        breaker.probed(now_s, well=False)
    assert rests == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_probe_that_goes_well_lets_one_answer_decide():
    breaker = opened()
    breaker.probed(10, well=True)
    assert breaker.condition == "half_open"
    breaker.failed(11)
    assert (breaker.condition, breaker.until_s) == ("open", 31)
    breaker.probed(31, well=True)
    breaker.succeeded()
    assert breaker.condition == "closed"


def test_after_an_answer_rests_are_short_again():
    breaker = opened()
    breaker.probed(10, well=False)
    breaker.probed(30, well=True)
    breaker.succeeded()
    for _ in range(3):
        breaker.failed(100)
    assert breaker.until_s == 110


@pytest.mark.parametrize("rest_s", [1.5, 600.0, FOR_GOOD])
def test_a_failure_that_names_its_rest_opens_it_at_once_and_for_so_long(rest_s: float):
    breaker = Breaker(RESTS)
    breaker.failed(5, rest_s)
    assert (breaker.condition, breaker.until_s) == ("open", 5 + rest_s)


def test_a_named_rest_does_not_shorten_what_many_failures_ask_for():
    breaker = Breaker(RESTS)
    breaker.failed(0)
    breaker.failed(0)
    breaker.failed(0, 1.5)
    assert breaker.until_s == 10


def test_answers_of_earlier_requests_do_not_close_it():
    breaker = opened()
    breaker.succeeded()
    assert breaker.condition == "open"


def test_failures_of_earlier_requests_only_lengthen_the_rest():
    breaker = opened()
    breaker.failed(1)
    assert breaker.until_s == 10
    breaker.failed(1, 60)
    assert breaker.until_s == 61
