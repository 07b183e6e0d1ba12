"""How long a route usually takes to its first useful text: the newest times, and a quantile of them."""

from __future__ import annotations

import math
from collections import deque

KEPT = 200
"""How many times are kept: enough for a steady 95th percentile, few enough to follow a provider's day."""
ENOUGH = 20
"""Fewer say nothing about a 95th percentile."""


class Latency:
    """Times to first text of one route, newest `KEPT`.

    A request that was dropped before it spoke counts with the time that it had: it would have taken longer. Without
    those only the quick ones were left to judge by, and the quantile would sink with every hedge.
    """

    def __init__(self) -> None:
        self._times_ms: deque[float] = deque(maxlen=KEPT)

    def add(self, ms: float) -> None:
        """One request had its first useful text after `ms`, or none within them."""
        self._times_ms.append(ms)

    def p95_ms(self) -> float | None:
        """The time that 95 % of the newest requests kept to (nearest rank); None where too few are known."""
        count = len(self._times_ms)
        if count < ENOUGH:
            return None
        return sorted(self._times_ms)[math.ceil(0.95 * count) - 1]
