"""How many messages one client may send."""

from __future__ import annotations

from collections.abc import Callable


class TokenBucket:
    """Lets `burst` messages through at once and `per_second` after that, and knows when a client never lets up.

    A strike is given for each message refused and taken back for each let through, so `strikes` only grows while a
    client sends at more than twice the rate it may.
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        """`clock` returns seconds and never runs backwards."""
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._tokens = float(burst)
        self._filled_at = clock()
        self._strikes = 0

    @property
    def is_flooded(self) -> bool:
        """True once the strikes pass two bursts."""
        return self._strikes > 2 * self._burst

    def take(self) -> bool:
        """Whether one more message is let through now."""
        now = self._clock()
        self._tokens = min(float(self._burst), self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            self._strikes += 1
            return False
        self._tokens -= 1
        self._strikes = max(0, self._strikes - 1)
        return True
