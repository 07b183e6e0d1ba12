"""Feelings as numbers: how an NPC stands to someone, and its mood. What moves them, and how they fade. Pure logic.

A move in the direction that a value has already counts for what is left of the scale, so that no repetition of small
things reaches its end; a move the other way counts in full. Values fade by half-lives in game hours; without a game's
time they stay. Mood is valence and arousal, after Russell's circumplex (https://doi.org/10.1037/h0077714).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

SECONDS_PER_HOUR = 3_600.0
SLOW_HALF_LIFE_H = 1_440.0
"""Of trust, warmth and respect: sixty days."""
FEAR_HALF_LIFE_H = 72.0
VALENCE_HALF_LIFE_H = 6.0
AROUSAL_HALF_LIFE_H = 2.0
FELT = 0.15
"""A mood or a standing that is weaker than this is not noticed."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What something does to an NPC: to how it stands to whoever did it, and to its mood. From -1 to 1 each.

    `mood` is the word for how it feels then; empty leaves the word as it is.
    """

    trust: float = 0.0
    warmth: float = 0.0
    respect: float = 0.0
    fear: float = 0.0
    valence: float = 0.0
    arousal: float = 0.0
    mood: str = ""


@dataclass(frozen=True, slots=True)
class Regard:
    """How an NPC stood to `other` at game second `time`; values from -1 to 1.

    `calls` is what the NPC calls the other one, `called` what the other one calls the NPC; empty for their names.
    """

    other: str
    trust: float = 0.0
    warmth: float = 0.0
    respect: float = 0.0
    fear: float = 0.0
    calls: str = ""
    called: str = ""
    time: float | None = None

    def at(self, now_s: float | None) -> Regard:
        """The same, faded until `now_s`."""
        hours = _hours(self.time, now_s)
        return replace(
            self,
            trust=_faded(self.trust, hours, SLOW_HALF_LIFE_H),
            warmth=_faded(self.warmth, hours, SLOW_HALF_LIFE_H),
            respect=_faded(self.respect, hours, SLOW_HALF_LIFE_H),
            fear=_faded(self.fear, hours, FEAR_HALF_LIFE_H),
            time=self.time if now_s is None else now_s,
        )

    def moved(self, effect: Effect, weight: float, now_s: float | None) -> Regard:
        """After something with this effect, taken `weight` times."""
        then = self.at(now_s)
        return replace(
            then,
            trust=_moved(then.trust, effect.trust * weight),
            warmth=_moved(then.warmth, effect.warmth * weight),
            respect=_moved(then.respect, effect.respect * weight),
            fear=_moved(then.fear, effect.fear * weight),
        )


@dataclass(frozen=True, slots=True)
class Feeling:
    """An NPC's mood at game second `time`; `label` is the word for it, empty for its usual one."""

    label: str = ""
    valence: float = 0.0
    arousal: float = 0.0
    time: float | None = None

    def at(self, now_s: float | None) -> Feeling:
        """The same, faded until `now_s`."""
        hours = _hours(self.time, now_s)
        valence = _faded(self.valence, hours, VALENCE_HALF_LIFE_H)
        arousal = _faded(self.arousal, hours, AROUSAL_HALF_LIFE_H)
        label = self.label if max(abs(valence), abs(arousal)) >= FELT else ""
        return Feeling(label, valence, arousal, self.time if now_s is None else now_s)

    def moved(self, effect: Effect, weight: float, now_s: float | None) -> Feeling:
        """After something with this effect, taken `weight` times."""
        then = self.at(now_s)
        valence = _moved(then.valence, effect.valence * weight)
        arousal = _moved(then.arousal, effect.arousal * weight)
        felt = max(abs(valence), abs(arousal)) >= FELT
        return Feeling((effect.mood or then.label) if felt else "", valence, arousal, then.time)


def _hours(since_s: float | None, now_s: float | None) -> float:
    if since_s is None or now_s is None:
        return 0.0
    return max(0.0, now_s - since_s) / SECONDS_PER_HOUR


def _faded(value: float, hours: float, half_life_h: float) -> float:
    return round(value * 0.5 ** (hours / half_life_h), 4) if hours else value


def _moved(value: float, by: float) -> float:
    if value * by > 0:
        by *= 1.0 - abs(value)
    return round(max(-1.0, min(1.0, value + by)), 4)
