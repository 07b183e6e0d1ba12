"""How long a turn may take: plain arithmetic on a clock's readings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TurnLimits:
    """What one turn may take. All but `gap_ms` run from `received_s`, a reading of the router's clock in seconds.

    A turn that had to wait for another one to end is given the moment it began as its `received_s`; otherwise its time
    is over before it starts.
    """

    first_text_ms: float
    authored_after_ms: float
    gap_ms: float
    turn_ms: float
    received_s: float

    @property
    def authored_at_s(self) -> float:
        """When authored lines speak if nobody else has; the end of the turn, where that comes first."""
        return self.received_s + min(self.authored_after_ms, self.turn_ms) / 1000

    @property
    def turn_by_s(self) -> float:
        """When the whole answer must have been read."""
        return self.received_s + self.turn_ms / 1000
