"""How long a turn and its routes may take: plain arithmetic on a clock's readings."""

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


@dataclass(frozen=True, slots=True)
class Window:
    """What one attempt may take: two readings of the clock, and the longest silence once text has come, in seconds."""

    first_text_by_s: float
    turn_by_s: float
    gap_s: float


def generating_window(limits: TurnLimits, now_s: float, *, first: bool, last: bool, floor: bool) -> Window:
    """The window of a route with a model.

    The first route asked pays for the time since receipt, a later one starts its own count. The last one may go on
    until the authored lines speak, because nothing is won by dropping it earlier; where no authored lines stand under
    it (`floor` False), until the turn is over.
    """
    begun_s = limits.received_s if first else now_s
    give_up_s = limits.authored_at_s if floor else limits.turn_by_s
    first_text_by_s = give_up_s if last else min(begun_s + limits.first_text_ms / 1000, give_up_s)
    return Window(first_text_by_s, limits.turn_by_s, limits.gap_ms / 1000)


def floor_window(limits: TurnLimits, now_s: float) -> Window:
    """The window of authored lines: they are at hand at once, and still speak when the turn's time is over."""
    first_text_by_s = now_s + limits.first_text_ms / 1000
    return Window(first_text_by_s, max(limits.turn_by_s, first_text_by_s), limits.gap_ms / 1000)
