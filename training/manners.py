"""Manners of speech, and replies put together in one."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from training.lexicon import HERE, load_yaml

MANNERS: Mapping[str, Mapping[str, Sequence[str]]] = load_yaml(HERE / "manners.yaml")

_PHRASES = load_yaml(HERE / "phrases.yaml")["manners"]
_SAID = _PHRASES["said"]
_BESIDE = _PHRASES["beside"]
_CATCH = _PHRASES["catch"]
_CATCHES = _PHRASES["catches"]


@dataclass(slots=True)
class Voice:
    """How one persona speaks: its manner, the words for it, and what it keeps saying (empty for nothing)."""

    manner: str
    words: str
    catch: str = ""
    used: list[str] = field(default_factory=list)

    def line(self, rng: random.Random, kind: str, player: str = "") -> str:
        """One of the manner's lines, not one of the last few; with the player's name where that is known."""
        lines = [one for one in MANNERS[self.manner][kind] if player or "{p}" not in one]
        fresh = [one for one in lines if one not in self.used[-8:]] or lines
        chosen = rng.choice(fresh)
        self.used.append(chosen)
        return chosen.replace("{p}", player)

    def dressed(self, rng: random.Random, core: str) -> str:
        """What is to be said, in this manner."""
        if self.catch and rng.random() < 0.35:
            return f"{core} {self.catch}"
        roll = rng.random()
        if roll < 0.48:
            return opened(self.line(rng, "before"), core)
        if roll < 0.92:
            return f"{core} {self.line(rng, 'after')}"
        return f"{opened(self.line(rng, 'before'), core)} {self.line(rng, 'after')}"


def opened(before: str, core: str) -> str:
    """`core` after an opening, which may be the beginning of the same sentence."""
    if before.endswith((",", "but")) and core.split(" ", 1)[0] in _SMALL:
        core = core[:1].lower() + core[1:]
    return f"{before} {core}"


_SMALL = {
    "The",
    "A",
    "An",
    "There",
    "It",
    "You",
    "My",
    "For",
    "In",
    "On",
    "After",
    "To",
    "Nobody",
    "We",
    "Your",
    "Some",
}


def make_voice(rng: random.Random, thing: str) -> Voice:
    """A voice and how a persona's file may put it."""
    manner = rng.choice(list(MANNERS))
    words = list(MANNERS[manner]["words"])
    rng.shuffle(words)
    said = rng.choice(_SAID).format(A=words[0].capitalize(), a=words[0], b=words[1])
    said = said.replace(" a e", " an e").replace(" a u", " an u").replace("A e", "An e")
    parts = [said] if rng.random() < 0.5 else [rng.choice(list(MANNERS[manner]["voices"]))]
    if rng.random() < 0.5:
        other = rng.choice(list(MANNERS[manner]["voices"]))
        parts += [other] if other not in parts else []
    parts += [rng.choice(_BESIDE)] if rng.random() < 0.4 else []
    catch = ""
    if rng.random() < 0.25:
        catch = f"{rng.choice(_CATCHES)} {thing}{rng.choice('.!')}"
        spoken = rng.choice(_CATCH).format(c=catch)
        parts.append(spoken)
    rng.shuffle(parts)
    return Voice(manner, " ".join(parts), catch)
