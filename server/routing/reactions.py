"""What happens when a route fails, error by error. That the next route is asked goes without saying.

Every failure is also told: in the turn's `attempts`, in a notice with its hint, in the route's state, in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

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

NO_CREDIT_S = 600.0
"""How long a route without credit rests: people need time to pay, and each call until then costs a round trip."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What else happens.

    Attributes:
        counts: Whose breaker counts it. `hosted` leaves out the engine on this machine: it is slow because of its load,
            or laconic because of its model, and resting mends neither.
        rest_s: A rest that begins at once, in seconds; None where only repeated failures open the breaker.
        again: The same route may be asked a second time, where no other one is left.
        smaller: The same route is asked once more, with a smaller prompt.
        deflect: What the persona says in the end is a deflection, not an answer to what was said.
    """

    counts: Literal["always", "hosted", "never"] = "always"
    rest_s: float | None = None
    again: bool = False
    smaller: bool = False
    deflect: bool = False


_REJECTED: dict[int, Reaction] = {
    401: Reaction(rest_s=FOR_GOOD),  # the key is wrong, and stays wrong until somebody changes it
    402: Reaction(rest_s=NO_CREDIT_S),
    403: Reaction(rest_s=FOR_GOOD),
}
_BY_TYPE: Sequence[tuple[type[RouteError], Reaction]] = (
    (RouteUnavailable, Reaction(again=True)),
    (RouteTimeout, Reaction(counts="hosted")),
    (RouteRejected, Reaction()),
    (RouteBusy, Reaction()),
    (RouteBroken, Reaction(again=True)),
    (RouteEmpty, Reaction(counts="hosted", again=True)),
    (RouteFiltered, Reaction(counts="never", deflect=True)),
    (ContextOverflow, Reaction(counts="never", smaller=True)),
    (RouteError, Reaction()),
)


def reaction_to(error: RouteError) -> Reaction:
    """The entry for this error; a busy route that says for how long rests so long."""
    if isinstance(error, RouteBusy) and error.retry_after_s is not None:
        return Reaction(rest_s=error.retry_after_s)
    if isinstance(error, RouteRejected) and error.status in _REJECTED:
        return _REJECTED[error.status]
    return next(reaction for kind, reaction in _BY_TYPE if isinstance(error, kind))
