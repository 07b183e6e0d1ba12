"""When a second route is asked beside the first, and how often that may happen.

After J. Dean and L. A. Barroso, "The Tail at Scale" (CACM 56:2, 2013): a second request after the 95th percentile of
the usual time cuts the slowest answers for a few percent more calls.
"""

from __future__ import annotations

from collections import deque

WINDOW = 1_000
"""Turns over which the share of hedges is counted: slow answers come in clusters, and a short window fails the last."""
AT_FIRST = 200
"""As many turns the first ones count for: a player who has just begun to talk would otherwise never be helped."""


def hedge_after_ms(p95_ms: float | None, at_most_ms: float) -> float:
    """How long the first route is waited for: its own 95th percentile, but never longer than `at_most_ms`."""
    return at_most_ms if p95_ms is None else min(p95_ms, at_most_ms)


class HedgeBudget:
    """Keeps hedges at a share of the last `WINDOW` turns."""

    def __init__(self, percent: float) -> None:
        """`percent` of turns may be hedged, 0 to 100."""
        self._share = percent / 100
        self._hedges: deque[int] = deque([0], maxlen=WINDOW)

    def has_room(self) -> bool:
        """True where one more hedge stays within the share."""
        return sum(self._hedges) + 1 <= self._share * max(AT_FIRST, len(self._hedges))

    def turn_begun(self) -> None:
        """One more turn that may be hedged; the oldest is forgotten."""
        self._hedges.append(0)

    def hedged(self) -> None:
        """A second route was asked in one of the newest turns."""
        self._hedges[-1] += 1
