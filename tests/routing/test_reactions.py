"""Every error a route can raise has its entry, and the entries say what the table in the documentation says."""

import pytest

from server import errors
from server.errors import (
    ContextOverflow,
    RouteBroken,
    RouteBusy,
    RouteEmpty,
    RouteError,
    RouteFiltered,
    RouteRejected,
    RouteTimeout,
    RouteUnavailable,
)
from server.routing.breaker import FOR_GOOD
from server.routing.reactions import reaction_to


@pytest.mark.parametrize(
    ("error", "rest_s"),
    [
        (RouteRejected("x", status=400), None),
        (RouteRejected("x", status=401), FOR_GOOD),
        (RouteRejected("x", status=402), 600),
        (RouteRejected("x", status=403), FOR_GOOD),
        (RouteRejected("x", status=404), None),
        (RouteBusy("x"), None),
        (RouteBusy("x", retry_after_s=30), 30),
        (RouteBroken("x"), None),
        (RouteUnavailable("x"), None),
        (RouteTimeout("gap", "x"), None),
    ],
)
def test_some_errors_open_the_breaker_at_once(error: RouteError, rest_s: float | None):
    assert reaction_to(error).rest_s == rest_s
    assert reaction_to(error).counts != "never"


def test_a_filter_and_too_small_a_context_say_nothing_about_the_route():
    assert reaction_to(RouteFiltered("x")).counts == "never"
    assert reaction_to(RouteFiltered("x")).deflect
    assert reaction_to(ContextOverflow("x")).counts == "never"
    assert reaction_to(ContextOverflow("x")).smaller


@pytest.mark.parametrize("error", [RouteTimeout("first_text", "x"), RouteEmpty("x")])
def test_slow_and_laconic_engines_on_this_machine_do_not_rest(error: RouteError):
    assert reaction_to(error).counts == "hosted"


def test_every_kind_of_error_has_an_entry():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RouteError)]
    for kind in kinds:
        error = kind.__new__(kind)
        error.status = error.retry_after_s = None  # type: ignore[attr-defined]  # what some kinds are told apart by
        assert reaction_to(error)
