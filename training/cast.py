"""Makes NPCs: a persona as the server reads it, and what this persona can answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.personas.persona import Example, Persona
from training.lexicon import HERE, Lexicon, load_yaml
from training.manners import MANNERS, Voice, make_voice
from training.patterns import Slots, capital, mentions, sides

FACTS: Mapping[str, Any] = load_yaml(HERE / "facts.yaml")

_PHRASES = load_yaml(HERE / "phrases.yaml")["cast"]
_ROLES = _PHRASES["roles"]
_FILLERS = _PHRASES["fillers"]
_NAMED = _PHRASES["named"]
_HEADS = _PHRASES["heads"]
_SAYINGS = _PHRASES["sayings"]


@dataclass(frozen=True, slots=True)
class Known:
    """Something that can be asked: by one of `asks`, or by what it is about (`keys`); `answer` tells it.

    `told` is how the prompt says it, and `topic` the kind of fact it is.
    """

    told: str
    answer: str
    topic: str
    asks: tuple[str, ...]
    keys: tuple[str, ...]


@dataclass(slots=True)
class Npc:
    """A persona, and what it can answer. `text` is everything it has been told, in one."""

    persona: Persona
    voice: Voice
    place: str
    known: list[Known] = field(default_factory=list)
    relations: dict[str, str] = field(default_factory=dict)
    goals: list[str] = field(default_factory=list)
    sayings: list[tuple[str, str]] = field(default_factory=list)
    text: str = ""


def make_npc(lexicon: Lexicon, *, size: float = 1.0, manner: Voice | None = None) -> Npc:
    """An NPC; `size` 1 is one of some 250 words at most, 3 a long one."""
    return _Maker(lexicon, size).make(manner)


class _Maker:
    def __init__(self, lexicon: Lexicon, size: float) -> None:
        self.lexicon, self.rng, self.size = lexicon, lexicon.rng, size
        self.patterns: set[tuple[str, int]] = set()
        self.told = ""

    def make(self, voice: Voice | None) -> Npc:
        rng, lexicon = self.rng, self.lexicon
        name, place = lexicon.full_name(), lexicon.place()
        role = self._role(place) if rng.random() < 0.96 else ""
        self.told = f"{name} {role} {place} "
        voice = voice or make_voice(rng, lexicon.word("things"))
        known: list[Known] = []
        core = self._core(name, known)
        knowledge = self._knowledge(known)
        goals = self._goals()
        relations = {lexicon.full_name(): self._relation() for _ in range(self._some(0, 4))}
        sayings = self._sayings(voice)
        persona = Persona(
            id="npc",
            name=name,
            role=role,
            core=core,
            voice=voice.words if rng.random() < 0.97 or voice.catch else "",
            knowledge=tuple(knowledge),
            goals=tuple(goals),
            relations={re.sub("[^a-z0-9]+", "_", other.lower()): how for other, how in relations.items()},
            examples=tuple(Example(player=said, npc=answer) for said, answer in sayings),
        )
        told = " ".join((name, role, core, *knowledge, *goals, *relations, *relations.values(), *sum(sayings, ())))
        if not persona.voice:
            voice.manner = "plain" if "plain" in MANNERS else voice.manner
        relations = {other.title(): how for other, how in relations.items()}
        return Npc(persona, voice, place, known, relations, goals, sayings, told)

    def _role(self, place: str) -> str:
        word = self.lexicon.word
        role: str = self.rng.choice(_ROLES).format(
            trade=word("trades"), second=word("trades"), place=place, inn=self.lexicon.inn(), quality=word("qualities")
        )
        return role

    def _some(self, least: int, most: int) -> int:
        return self.rng.randint(least, max(least, round(most * self.size)))

    def _fact(self, kind: str) -> tuple[str, Known] | None:
        """A fact about something that nothing told so far is about, and what can be asked of it."""
        entries = FACTS[kind]
        number = self.rng.randrange(len(entries))
        entry = entries[number]
        repeated = (kind, number) in self.patterns
        slots = Slots(self.lexicon)
        pattern = self.rng.choice(entry["say"])
        asks = [ask for ask in entry["ask"] if answers(pattern, ask) and not (repeated and "{" not in ask)]
        prompt, answer = sides(slots.fill(pattern))
        asks = [slots.fill(ask) for ask in asks]
        keys = [slots.values[slot] for slot in entry.get("about", ()) if slot in slots.values and _has(pattern, slot)]
        if mentions(self.told, [slots.values[slot] for slot in _topics(slots)]):
            return None
        if not asks:
            return None
        self.patterns.add((kind, number))
        prompt = capital(prompt)
        self.told += prompt + " "
        return prompt, Known(prompt, capital(answer), f"{kind} {number}", tuple(asks), tuple(keys))

    def _facts(self, kind: str, count: int, known: list[Known]) -> list[str]:
        found: list[str] = []
        for _ in range(count * 3):
            if len(found) < count and (fact := self._fact(kind)) is not None:
                found.append(fact[0])
                known.append(fact[1])
        return found

    def _core(self, name: str, known: list[Known]) -> str:
        lines = self._facts("core", self._some(1, 5), known)
        fillers = self.rng.sample(_FILLERS, self.rng.randint(0, 3 if self.size < 2 else 7))
        if self.rng.random() < 0.2:
            fillers.append(self.rng.choice(_NAMED).format(name=name))
        lines += [line for line in fillers if self.rng.random() < 0.7]
        self.told += " ".join(lines)
        self.rng.shuffle(lines)
        return " ".join(lines)

    def _knowledge(self, known: list[Known]) -> list[str]:
        facts = self._facts("knowledge", self._some(2, 9), known)
        lines: list[str] = []
        for fact in facts:
            if lines and self.rng.random() < 0.25:
                lines[-1] += f" {fact}"
            elif self.rng.random() < 0.1:
                lines.append(f"{self.rng.choice(_HEADS)} {fact}")
            else:
                lines.append(fact)
        return lines

    def _goals(self) -> list[str]:
        patterns = FACTS["goals"][0]["say"]
        return [Slots(self.lexicon).fill(self.rng.choice(patterns)) for _ in range(self._some(0, 3))]

    def _relation(self) -> str:
        return Slots(self.lexicon).fill(self.rng.choice(FACTS["relations"][0]))

    def _sayings(self, voice: Voice) -> list[tuple[str, str]]:
        if self.rng.random() < 0.45:
            return []
        count = self._some(1, 3)
        found = []
        for said, answer in self.rng.sample(_SAYINGS, min(count, len(_SAYINGS))):
            if self.rng.random() < 0.5:  # what is answered must be read, not known
                slots = Slots(self.lexicon)
                answer = slots.fill(self.rng.choice(_ODD))
            if self.rng.random() < 0.3:
                said = Slots(self.lexicon).fill(self.rng.choice(_ODD_ASKS))
            found.append((said, answer))
        return found


_ODD = _PHRASES["odd"]
_ODD_ASKS = _PHRASES["odd_asks"]


def _topics(slots: Slots) -> list[str]:
    """Slots that a question could be about: what two facts must not share."""
    kinds = ("things", "foods", "drinks", "animals", "sites", "events", "name", "place", "plants", "ills", "materials")
    return [
        slot
        for slot in slots.values
        if slot.rstrip("0123456789") in (*kinds, "features", "kin", "hobbies", "trades", "fears", "gains")
    ]


def _has(pattern: str, slot: str) -> bool:
    return f"{{{slot}}}" in pattern.lower()


def answers(pattern: str, ask: str) -> bool:
    """Whether what the question speaks of stands in the pattern."""
    lower = pattern.lower()
    lower = lower.replace("{a_trade}", "{a_trade} {trades}").replace("{a_kin}", "{a_kin} {kin}")
    return all(slot.lower() in lower for slot in re.findall(r"\{\w+\}", ask) if slot.lower() not in ("{coin}", "{kin}"))
