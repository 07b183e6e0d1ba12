"""How an NPC bears itself: its mood, how it stands to those around it, and what is due, in words for the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from server.memory.commitments import Commitment
from server.memory.derived import Standpoint
from server.memory.digest import still_due
from server.memory.feelings import SECONDS_PER_HOUR, Regard
from server.prompt.pieces import as_line, aside

SECONDS_PER_DAY = 86_400.0
DUE_LASTS_H = 168.0
"""A promise that fell due, or was broken, is on an NPC's mind for a week of the game's time."""
MAX_DUE = 2
_SLIGHT = 0.25
_STRONG = 0.6
_WORDS: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    # By value: what it is when below zero and above, each slight and strong.
    "trust": (("distrust", "deeply distrust"), ("trust", "wholly trust")),
    "warmth": (("dislike", "hate"), ("like", "are very fond of")),
    "respect": (("look down on", "despise"), ("respect", "look up to")),
    "fear": (("", ""), ("are afraid of", "are terrified of")),
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """One thing to tell. `at_rest` where it says that nothing is out of the ordinary: not worth telling at first."""

    text: str
    at_rest: bool = False


Bearing = Mapping[str, Sentence]
"""Sentences by what they are about; only the newest about a thing holds."""


@dataclass(slots=True)
class BearingWriter:
    """Tells one NPC how it stands: what changed since it was last written."""

    _written: dict[str, str] = field(default_factory=dict)

    def changes(self, bearing: Bearing) -> tuple[str, ...]:
        """The sentences that are new; nothing counts as written until `wrote`."""
        return tuple(one.text for about, one in bearing.items() if self._is_new(about, one))

    def wrote(self, bearing: Bearing, written: Sequence[str]) -> None:
        """The NPC's prompt holds `written` now."""
        lines = frozenset(written)
        self._written.update({about: one.text for about, one in bearing.items() if as_line(aside(one.text)) in lines})

    def forget(self) -> None:
        """Whatever was written may be gone from the prompt."""
        self._written = {}

    def _is_new(self, about: str, one: Sentence) -> bool:
        if about not in self._written:
            return not one.at_rest
        return self._written[about] != one.text


def bearing_of(
    standpoint: Standpoint,
    names: Mapping[str, str],
    usual_mood: str,
    npc: str,
    now_s: float | None,
    last_s: float | None = None,
) -> dict[str, Sentence]:
    """How `npc` bears itself at game second `now_s`.

    `names` are those of the others, by id; `last_s` is when it last lived through anything before this conversation.
    """
    felt = standpoint.feeling.at(now_s)
    found = {"mood": Sentence(f"You feel {felt.label or usual_mood}.", at_rest=not felt.label)}
    for regard in standpoint.regards:
        name = names.get(regard.other, regard.other)
        found[f"regard:{regard.other}"] = _regard(regard.at(now_s), name)
        if regard.calls and regard.calls != name:
            found[f"calls:{regard.other}"] = Sentence(f"{name} wants to be called {regard.calls}.")
        if regard.called:
            found[f"called:{regard.other}"] = Sentence(f"{name} calls you {regard.called}.")
    if now_s is not None and last_s is not None and now_s - last_s >= SECONDS_PER_DAY:
        days = int((now_s - last_s) // SECONDS_PER_DAY)
        found["apart"] = Sentence(f"Your last talk was {'a day' if days == 1 else f'{days} days'} ago.")
    if now_s is not None:
        due = list(still_due(standpoint.agreed, now_s / SECONDS_PER_HOUR, DUE_LASTS_H))[:MAX_DUE]
        found.update({f"due:{one.made}:{one.nth}": _due(one, npc) for one in due})
    return found


def _regard(regard: Regard, name: str) -> Sentence:
    words = [word for value, scale in _WORDS.items() if (word := _word(getattr(regard, value), scale))]
    if not words:
        return Sentence(f"You have no strong feelings about {name}.", at_rest=True)
    return Sentence(f"You {_joined(words)} {name}.")


def _word(value: float, scale: tuple[tuple[str, str], tuple[str, str]]) -> str:
    slight, strong = scale[value > 0]
    return strong if abs(value) >= _STRONG else slight if abs(value) >= _SLIGHT else ""


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _due(one: Commitment, npc: str) -> Sentence:
    told = f"You agreed: {one.text}" if one.teller == npc else one.text
    return Sentence(f"Not kept: {told}" if one.state == "broken" else f"It is time: {told}")
