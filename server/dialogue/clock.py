"""The game's time, as far as it can be believed.

Games send times that nothing has happened at: an engine's first stamp before the saved game is read, a clock that is
set. A time that does not follow from the one before is held until a second one agrees with it, and moves nothing until
then; nothing but a load ever moves the timeline.
"""

from __future__ import annotations

from dataclasses import dataclass

SLACK_S = 5.0
"""A time that is this much earlier is the same moment, told twice."""
LONGEST_LEAP_S = 60 * 86_400.0
"""Longer than any sleep, journey or prison sentence."""
AGREEMENT_S = 86_400.0
"""A second stamp this much after a held one goes on from it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a stamp, in game seconds. `time` is what to go by.

    `odd`: the stamp does not follow, and is held. `back_from`: time has gone back from there, and a load is likely.
    """

    time: float | None
    odd: bool = False
    back_from: float | None = None


class GameClock:
    """One session's game time. Pure: it knows what it is told."""

    def __init__(self, known: float | None = None) -> None:
        self._known = known
        self._held: float | None = None

    @property
    def time(self) -> float | None:
        """The last time that was believed; None where there was none."""
        return self._known

    def restart(self, known: float | None) -> None:
        """The timeline moved, to a moment at or after `known`."""
        self._known, self._held = known, None

    def read(self, stamp: float) -> Reading:
        """The game says that it is `stamp`."""
        known, held = self._known, self._held
        if known is None or _follows(known, stamp, LONGEST_LEAP_S):
            # Stamps out of order within a moment do not turn time back.
            self.restart(stamp if known is None else max(known, stamp))
            return Reading(self._known)
        if held is None or not _follows(held, stamp, AGREEMENT_S):
            self._held = stamp
            return Reading(known, odd=True)
        self.restart(stamp)
        return Reading(stamp, back_from=known if stamp < known else None)


def _follows(before: float, stamp: float, limit_s: float) -> bool:
    return before - SLACK_S <= stamp <= before + limit_s
