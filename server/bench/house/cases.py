"""The prompts that the house model is judged by, and what a right reply to each holds.

Two parts: `known` are in the forms of the corpus, with names, places, prices and facts that it never had; `new` are in
phrasings and persona layouts of their own (`heldout.yaml`, which the corpus writer never reads).
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import TypeAdapter

from server.personas.persona import Persona

Part = Literal["known", "new"]
HERE = Path(__file__).resolve().parent
KNOWN_FILE = HERE / "known.json.gz"
NEW_FILE = HERE / "heldout.yaml"
_SLOT = re.compile(r"\{([a-z]+)(\d?)\}")


@dataclass(frozen=True, slots=True)
class Line:
    """One turn's part 5, as the dialogue room hands it to the prompt. `reply` None: the model's own is used."""

    line: str = ""
    scene: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    memories: tuple[str, ...] = ()
    lore: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    cue: str = ""
    reply: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """A talk whose last reply is judged (of kind `manner`: all). All of `want` must be in it, one of `any_of`."""

    part: Part
    kind: str
    persona: Persona
    player: str
    lines: tuple[Line, ...]
    want: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    manner: str = ""


def load_known(path: Path = KNOWN_FILE) -> list[Case]:
    """The cases in the corpus's forms."""
    data = _known(path)
    personas = [Persona.model_validate(one) for one in data["personas"]]
    return [_case("known", personas[one["persona"]], one) for one in data["cases"]]


def load_manners(path: Path = KNOWN_FILE) -> dict[str, list[str]]:
    """Lines by the manner they are said in."""
    manners: dict[str, list[str]] = _known(path)["manners"]
    return manners


def _known(path: Path) -> Any:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def _case(part: Part, persona: Persona, data: Mapping[str, Any]) -> Case:
    lines = tuple(_LINE.validate_python(line) for line in data["lines"])
    want, any_of = tuple(data.get("want", ())), tuple(data.get("any", ()))
    return Case(part, data["kind"], persona, data["player"], lines, want, any_of, data.get("manner", ""))


_LINE = TypeAdapter(Line)


def load_new(path: Path = NEW_FILE, seed: int = 0) -> list[Case]:
    """The cases in forms of their own; the same for the same seed."""
    forms = yaml.safe_load(path.read_text(encoding="utf-8"))
    return list(_New(forms, seed).cases())


@dataclass(slots=True)
class _Filling:
    """Slots of one case; each numbered slot of a list draws another word."""

    lists: Mapping[str, Sequence[str]]
    rng: random.Random
    values: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        filled = _SLOT.sub(self._value, text)
        return filled[:1].upper() + filled[1:]

    def raw(self, text: str) -> str:
        return _SLOT.sub(self._value, text)

    def _value(self, match: re.Match[str]) -> str:
        slot = match[1] + match[2]
        if slot not in self.values:
            taken = set(self.values.values())
            self.values[slot] = self.rng.choice([word for word in self.lists[match[1]] if word not in taken])
        return self.values[slot]


class _New:
    def __init__(self, forms: Mapping[str, Any], seed: int) -> None:
        self.forms, self.rng = forms, random.Random(seed)

    def cases(self) -> Iterator[Case]:
        layouts = range(len(self.forms["layouts"]))
        for _ in range(2):
            for fact in self.forms["facts"]:
                for ask in fact["ask"]:
                    for layout in fact["of"][:3]:
                        yield self._case("fact", layout, ask, fact)
        for kind in ("name", "role"):
            for layout in layouts:
                for ask in self.forms[kind]["ask"]:
                    yield self._case(kind, layout, ask, self.forms[kind])
        for memory in self.forms["memories"]:
            for ask in memory["ask"]:
                for layout in self.rng.sample(layouts, 3):
                    yield self._case("memory", layout, ask, memory, memory=memory["text"])
        for told in self.forms["player"]:
            for ask in told["ask"]:
                for layout in self.rng.sample(layouts, 4):
                    yield self._case("player", layout, ask, told, before=told["say"])
        for group in self.forms["present"]:
            for ask in group.get("ask", ()) or group["cue"]:
                for layout in self.rng.sample(layouts, 5):
                    yield self._present(layout, ask, group)
        for ask in self.forms["unknown"]["ask"]:
            for layout in self.rng.sample(layouts, 3):
                yield self._case("unknown", layout, ask, {})
        for manner, voices in self.forms["manners"].items():
            for voice in voices:
                for layout in self.rng.sample(layouts, 3):
                    yield self._manner(layout, manner, voice)

    def _filling(self) -> _Filling:
        filling = _Filling(self.forms["lists"], self.rng)
        draw = self.rng.choice
        lists = self.forms["lists"]
        me = f"{draw(lists['person'])} {draw(('Aldous', 'Berrick', 'Tarn', 'Holloway', 'Sedge', 'Vane'))}"
        filling.values |= {
            "me": me,
            "job": draw(lists["craft"]),
            "home": draw(lists["town"]),
            "player": draw(lists["person"]),
        }
        return filling

    def _persona(self, layout: int, filling: _Filling, voice: str = "") -> Persona:
        form = self.forms["layouts"][layout]
        relations = {filling.raw(who).lower(): filling.fill(how) for who, how in form.get("relations", {}).items()}
        return Persona(
            id="npc",
            name=filling.values["me"],
            role=filling.raw(form["role"]),
            core=filling.fill(form["core"]),
            voice=voice or form["voice"],
            knowledge=tuple(map(filling.fill, form["knowledge"])),
            goals=tuple(map(filling.fill, form.get("goals", ()))),
            relations=relations,
        )

    def _case(
        self, kind: str, layout: int, ask: str, form: Mapping[str, Any], *, memory: str = "", before: str = ""
    ) -> Case:
        filling = self._filling()
        if memory:  # what it speaks of must not stand in the persona: slots of its own
            remembered, asked, want, any_of = self._apart(filling, memory, ask, form)
            persona = self._persona(layout, filling)
            turn = Line(asked, memories=(remembered,))
            return Case("new", kind, persona, filling.values["player"], (turn,), want, any_of)
        persona = self._persona(layout, filling)
        if before:
            filling.values.pop("person1", None)
        player = "Traveller" if before else filling.values["player"]
        said = (Line(f"{player}: {filling.fill(before)}"),) if before else ()
        line = Line(f"{player}: {filling.fill(ask)}")
        want = tuple(map(filling.raw, form.get("want", ())))
        any_of = tuple(map(filling.raw, form.get("any", ())))
        return Case("new", kind, persona, player, (*said, line), want, any_of)

    def _apart(
        self, filling: _Filling, memory: str, ask: str, form: Mapping[str, Any]
    ) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
        player = filling.values["player"]
        remembered, line = filling.raw(memory), f"{player}: {filling.fill(ask)}"
        want, any_of = tuple(map(filling.raw, form.get("want", ()))), tuple(map(filling.raw, form.get("any", ())))
        taken = {f"taken{at}": value for at, value in enumerate(filling.values.values())}
        kept = {slot: filling.values[slot] for slot in ("me", "job", "home", "player")}
        filling.values = taken | kept
        return remembered, line, want, any_of

    def _present(self, layout: int, ask: str, group: Mapping[str, Any]) -> Case:
        filling = self._filling()
        persona, player = self._persona(layout, filling), filling.values["player"]
        names = [filling.raw(f"{{person{number}}}") for number in range(4, 4 + group["with"])]
        scene = (f"Here with you: {', '.join((player, *names))}.",)
        said = Line(cue=ask, scene=scene) if "cue" in group else Line(f"{player}: {ask}", scene=scene)
        return Case("new", "present", persona, player, (said,), tuple(names))

    def _manner(self, layout: int, manner: str, voice: str) -> Case:
        filling = self._filling()
        persona, player = self._persona(layout, filling, voice), filling.values["player"]
        asks = self.rng.sample(self.forms["manner"]["ask"], 3)
        lines = tuple(Line(f"{player}: {filling.fill(ask)}") for ask in asks)
        return Case("new", "manner", persona, player, lines, manner=manner)
