"""What to do next in a turn that nobody has answered yet: pure decisions on readings of a clock, in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from server.errors import RouteError
from server.routing.limits import TurnLimits
from server.routing.reactions import reaction_to

QUICK_S = 1.0
"""A route that took longer to fail is not asked again: what is left of the turn belongs to others."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A route that was asked and has not spoken: when it is late, and when another may be asked beside it."""

    late_at_s: float
    hedge_at_s: float


@dataclass(frozen=True, slots=True)
class Situation:
    """A turn without an answer.

    `another` generating route is ready to be asked; `floor`: authored lines stand under them; `may_hedge`: a player
    waits, and the share of hedges has room.
    """

    now_s: float
    pending: Sequence[Pending]
    another: bool
    floor: bool
    may_hedge: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the next route: `first` (nobody is being asked), in place of the `late` ones, or `beside` the one that is."""

    how: Literal["first", "late", "beside"]


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for those who were asked, until this reading of the clock at the latest."""

    until_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No generating route answers this turn. `which` clock ran out; None where all have failed."""

    which: Literal["first_text", "turn"] | None


Step = Ask | Wait | GiveUp


def give_up_at_s(limits: TurnLimits, *, floor: bool) -> float:
    """When generating routes have had their time: as authored lines speak, or without them at the end of the turn."""
    return limits.authored_at_s if floor else limits.turn_by_s


def late_at_s(limits: TurnLimits, now_s: float, *, first: bool) -> float:
    """When a route asked now is late: the first pays for the time since receipt, a later one has its own count."""
    return (limits.received_s if first else now_s) + limits.first_text_ms / 1000


def next_step(situation: Situation, limits: TurnLimits) -> Step:
    """What to do now.

    Routes that are late are dropped only for another one: where none is left, nothing is won by it. Who was asked
    beside another is waited for as well.
    """
    now_s, give_up_s = situation.now_s, give_up_at_s(limits, floor=situation.floor)
    if now_s >= give_up_s:
        return GiveUp("turn" if now_s >= limits.turn_by_s else "first_text")
    if not situation.pending:
        return Ask("first") if situation.another else GiveUp(None)
    if not situation.another:
        return Wait(give_up_s)
    all_late_s = max(each.late_at_s for each in situation.pending)
    if now_s >= all_late_s:
        return Ask("late")
    if len(situation.pending) > 1 or not situation.may_hedge:
        return Wait(min(all_late_s, give_up_s))
    hedge_s = situation.pending[0].hedge_at_s
    return Ask("beside") if now_s >= hedge_s else Wait(min(hedge_s, all_late_s, give_up_s))


def comes_late(first_token_ms: float, now_s: float, late_s: float) -> bool:
    """Whether a route that foretells its first token is better left at once for another."""
    return now_s + first_token_ms / 1000 > late_s


def retry_in_s(error: RouteError, took_s: float, left_s: float, chance: float) -> float | None:
    """How long to wait before the same route is asked again; None where that does not pay.

    Asked only where no other route is left, before any text. `left_s` is what generating routes still have of the
    turn, `chance` a random number from 0 to 1: clients that failed together must not come back together.
    """
    if not reaction_to(error).again or took_s > QUICK_S:
        return None
    wait_s = 0.1 + 0.3 * chance
    return wait_s if wait_s < left_s / 2 else None
