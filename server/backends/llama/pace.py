"""How fast the engine is on this machine, as it measured itself: what a prompt will take, what fits a deadline."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Milliseconds. `prefill` is (tokens in one batch, ms), rising; `decode_ms` is one step of one reply."""

    prefill: tuple[tuple[int, float], ...]
    decode_ms: float

    @classmethod
    def of(cls, prefill: Sequence[Sequence[float]], decode_ms: float) -> Pace | None:
        """From the engine's figures; None where they make no sense."""
        points = sorted((int(tokens), float(ms)) for tokens, ms in prefill if tokens > 0 and ms > 0)
        return cls(tuple(points), float(decode_ms)) if points and decode_ms > 0 else None

    def prefill_ms(self, tokens: int) -> float:
        """What evaluating `tokens` takes: straight between two measured sizes, in whole batches beyond the largest."""
        if tokens <= 0:
            return 0.0
        largest, largest_ms = self.prefill[-1]
        if tokens > largest:
            batches, rest = divmod(tokens, largest)
            return batches * largest_ms + self.prefill_ms(rest)
        index = bisect.bisect_left(self.prefill, (tokens, 0.0))
        high, high_ms = self.prefill[index]
        low, low_ms = self.prefill[index - 1] if index else (0, 0.0)
        return low_ms + (high_ms - low_ms) * (tokens - low) / (high - low)

    def first_token_ms(self, tokens: int) -> float:
        """Until the first token of a reply to a prompt of which `tokens` are new."""
        return self.prefill_ms(tokens) + self.decode_ms

    def tokens_within(self, ms: float) -> int:
        """The most new tokens after which the first token still comes within `ms`; 0 where even one is too many."""
        low, high = 0, 1
        while high < 1 << 20 and self.first_token_ms(high) <= ms:
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.first_token_ms(middle) <= ms else (low, middle)
        return low
