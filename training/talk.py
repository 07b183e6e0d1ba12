"""Talks between a player and an NPC, turn by turn: what each turn's prompt holds, and what the NPC should say."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.cast import Npc
from training.lexicon import HERE, Lexicon, load_yaml
from training.patterns import Slots, capital, mentions

UNNAMED = ("player", "Player", "traveller", "Traveller", "Stranger", "You")
"""Labels of players who gave no name."""

_PHRASES = load_yaml(HERE / "phrases.yaml")["talk"]
_LEADS = _PHRASES["leads"]
_TAILS = _PHRASES["tails"]
_WRAPPERS = _PHRASES["wrappers"]


@dataclass(slots=True)
class Turn:
    """One turn: part 5 as the server is given it, and the reply. `cut` is what was heard of it, None for all.

    `source` is what the prompt says of what is asked, where the reply tells it; `topic` what kind of fact that is.
    """

    reply: str
    line: str = ""
    label: str = ""
    scene: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    warm: tuple[str, ...] = ()
    memories: tuple[str, ...] = ()
    lore: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    cue: str = ""
    cut: str | None = None
    facts: tuple[str, ...] = ()
    source: str = ""
    topic: str = ""
    check: dict[str, str | list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Talk:
    """One NPC and one player. `called` is the name the player goes by, empty where none was given."""

    lexicon: Lexicon
    npc: Npc
    label: str
    called: str
    turns: list[Turn] = field(default_factory=list)
    seen: dict[str, str] = field(default_factory=dict)
    present: tuple[str, ...] = ()
    learnt: list[tuple[str, str]] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    @property
    def rng(self) -> random.Random:
        """The one source of chance."""
        return self.lexicon.rng

    def slots(self) -> Slots:
        """Fresh slots."""
        return Slots(self.lexicon)

    def pick(self, several: Sequence[Any]) -> Any:
        """One of several."""
        return self.rng.choice(several)

    def say(self, kind: str) -> str:
        """A line of the NPC's manner, with the player's name or not."""
        return self.npc.voice.line(self.rng, kind, self.called)

    def dressed(self, core: str) -> str:
        """What is to be said, in the NPC's manner."""
        return self.npc.voice.dressed(self.rng, core)

    def unknown(self, words: Sequence[str]) -> bool:
        """Whether nothing in the prompt so far speaks of any of these."""
        told = " ".join(
            (
                self.npc.text,
                *self.seen.values(),
                *self.facts,
                *(answer for _, answer in self.learnt),
                *map(_told, self.turns),
            )
        )
        return not mentions(told, words)

    def asked_as(self, question: str) -> str:
        """A question as somebody may really type it; one that begins with `~` is asked in a sentence around it."""
        rng = self.rng
        if question.startswith("~"):
            question = rng.choice(_WRAPPERS).format(question[1:])
        roll = rng.random()
        if roll < 0.18:
            lead = rng.choice(_LEADS)
            question = lead + (question if lead.endswith(". ") or question.startswith("I ") else _lower(question))
        elif roll < 0.24 and question[-1:] in "?.":
            question = f"{question[:-1]}{rng.choice(_TAILS)}{question[-1]}"
        elif roll < 0.30:
            question = question.rstrip("?.")
        if rng.random() < 0.1:
            question = question.lower()
        return question


def _told(turn: Turn) -> str:
    return " ".join(
        (turn.line, turn.reply, *turn.scene, *turn.events, *turn.memories, *turn.lore, *turn.others, turn.cue)
    )


def _lower(text: str) -> str:
    first = text.split(" ", 1)[0].rstrip(",?")
    return text[:1].lower() + text[1:] if first in _OPENERS else text


_OPENERS = frozenset(_PHRASES["openers"])

Intent = Callable[[Talk], Turn | None]


def talk_of(lexicon: Lexicon, npc: Npc, intents: Sequence[tuple[float, Intent]], length: int, start: Intent) -> Talk:
    """A talk of `length` turns: `start` first, then whatever `intents` bring by their weights."""
    rng = lexicon.rng
    is_named = rng.random() < 0.8
    called = lexicon.full_name() if is_named else ""
    talk = Talk(lexicon, npc, called or rng.choice(UNNAMED), called.split(" ")[0])
    weights, choices = zip(*intents, strict=True)
    if (turn := start(talk)) is not None:
        talk.turns.append(turn)
    tries = 0
    while len(talk.turns) < length and tries < 6 * length:
        tries += 1
        intent = rng.choices(choices, weights)[0]
        if (turn := intent(talk)) is not None:
            talk.turns.append(interrupted(talk, turn))
    return talk


def interrupted(talk: Talk, turn: Turn) -> Turn:
    """Now and then only the beginning of a reply is heard."""
    words = turn.reply.split(" ")
    if len(words) > 6 and talk.rng.random() < 0.04:
        turn.cut = " ".join(words[: talk.rng.randint(2, len(words) - 3)])
    return turn


__all__ = ["Intent", "Talk", "Turn", "capital", "interrupted", "talk_of"]
