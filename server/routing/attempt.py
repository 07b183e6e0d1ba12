"""How it went with one route in one turn."""

from __future__ import annotations

from dataclasses import dataclass

OK = "ok"
OVER_BUDGET = "over_budget"
OVER_LIMIT = "over_limit"
STOPPED = "stopped"
PREDICTED_LATE = "predicted_late"
OVERTAKEN = "overtaken"

NO_FAILURE = frozenset({OK, STOPPED, PREDICTED_LATE, OVERTAKEN, OVER_LIMIT})
"""Outcomes of which the route is not to blame. That a limit is reached is told once, by the purse."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One route that was asked, or could not be.

    `outcome` is the outcome of a `RouteError` or one of

    - `ok`: it answered;
    - `over_budget`: what must be in the prompt does not fit it; `over_limit`: a limit on spending is reached;
    - `stopped`: closed by the caller;
    - `predicted_late`: it foretold that it would be late, and another was asked instead;
    - `overtaken`: another route, asked beside it, spoke first.

    `message` and `hint` are for people and empty where it went well.
    """

    route: str
    outcome: str
    ms: int
    message: str = ""
    hint: str = ""

    @property
    def failed(self) -> bool:
        """True where the route is to blame."""
        return self.outcome not in NO_FAILURE
