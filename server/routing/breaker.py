"""Whether a route is worth asking: a state machine on readings of a clock.

closed ──(so many failures in a row, or one that names its time)──→ open ──(a probe that went well)──→ half-open
   ↑                                                                ↑  └─(a probe that did not: rests longer)─┘
   └──────────────(an answer)─────────────────── half-open ──(a failure: rests longer)──┘
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Condition = Literal["closed", "open", "half_open"]
FOR_GOOD = math.inf
"""A rest that no probe ends: only a change of the configuration does."""


@dataclass(frozen=True, slots=True)
class Rests:
    """After how many failures a route rests, and how long in seconds: `first_s`, doubled up to `longest_s`."""

    failures: int = 3
    first_s: float = 10.0
    longest_s: float = 300.0


class Breaker:
    """Opens where a route fails, so that no turn pays for finding out what the last ones did.

    Attributes:
        condition: `closed` and `half_open` routes may be asked; the next answer of a half-open one decides.
        until_s: While open, when to probe; `FOR_GOOD` is never.
    """

    def __init__(self, rests: Rests) -> None:
        self._rests = rests
        self._failures = 0
        self._rest_s = rests.first_s
        self.condition: Condition = "closed"
        self.until_s = 0.0

    def failed(self, now_s: float, rest_s: float | None = None) -> None:
        """A request failed. `rest_s` is a rest that the failure itself asks for; it begins at once."""
        self._failures += 1
        if self.condition == "open":  # asked before it opened; only a longer rest is news
            self.until_s = max(self.until_s, now_s + (rest_s or 0.0))
        elif self.condition == "half_open" or self._failures >= self._rests.failures:
            self._open(now_s, max(rest_s or 0.0, self._backed_off_s()))
        elif rest_s is not None:
            self._open(now_s, rest_s)

    def succeeded(self) -> None:
        """A request was answered. One that was asked before the breaker opened does not close it."""
        if self.condition != "open":
            self.condition = "closed"
            self._failures = 0
            self._rest_s = self._rests.first_s

    def probed(self, now_s: float, *, well: bool) -> None:
        """The probe of an open route came back."""
        if well:
            self.condition = "half_open"
        else:
            self._open(now_s, self._backed_off_s())

    def _backed_off_s(self) -> float:
        rest_s = self._rest_s
        self._rest_s = min(2 * rest_s, self._rests.longest_s)
        return rest_s

    def _open(self, now_s: float, rest_s: float) -> None:
        self.condition = "open"
        self.until_s = now_s + rest_s
