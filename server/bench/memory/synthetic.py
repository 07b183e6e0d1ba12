"""A life to be questioned about, made from word lists and a seed: what was planted is known, turn by turn.

Each planted turn drowns in talk about the same people and things; of each person and thing that are asked for
together, others talk together too. Questions come in kinds:

- `plain`: in the words of the turn. `paraphrase`: in others; only the name is shared.
- `time`: the same thing happens on many days, one of them is asked for. `two_hop`: the turn names nobody whom the
  question names; another turn says who it is.
- `reply`: the turn answers somebody's question and repeats none of its words.
- `changed`: the newest of several turns holds. `undone`: a later one was taken back by a load. `unseen`: a later one
  was told to somebody else. Of these two the later turn must never come up.

A turn counts as recalled where what was told of it holds the word that answers.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from server.bench.memory.dialogues import Asked, Dialogue, Turn
from server.bench.memory.lists import (
    CHATTER,
    GOODS,
    NAMES,
    PAIR_CHATTER,
    PARAPHRASES,
    PLACES,
    PLAIN,
    REPLIES,
    THINGS,
    TRADES,
)

DAY_S = 86_400.0
HOUR_S = 3_600.0
TALK_OF_A_PAIR = 12
_MOMENT = 1e-9


@dataclass(slots=True)
class _Life:
    chance: random.Random
    planted: list[tuple[float, str, str, str]] = field(default_factory=list)
    questions: list[tuple[str, str, tuple[str, ...], str]] = field(default_factory=list)
    unheard: set[str] = field(default_factory=set)
    undone: set[str] = field(default_factory=set)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    people: list[str] = field(default_factory=list)

    def plant(self, when: float, speaker: str, text: str) -> str:
        """A turn at a share `when` of the whole."""
        name = f"p{len(self.planted)}"
        self.planted.append((when, name, speaker, text))
        return name

    def ask(self, kind: str, text: str, evidence: str, answer: str) -> None:
        self.questions.append((kind, text, (evidence,), answer))

    def pair(self) -> tuple[str, str]:
        """A person and a thing that nothing else was planted about."""
        name, thing = self.pairs.pop()
        for _ in range(TALK_OF_A_PAIR):
            text = self.chance.choice(PAIR_CHATTER).format(name=name, thing=thing)
            self.plant(self.chance.uniform(0.05, 0.95), self.chance.choice(NAMES), text)
        return name, thing


def make(seed: int, turns: int = 1_500, each: int = 6) -> Dialogue:
    """A life of `turns` turns, with `each` questions of each kind."""
    chance = random.Random(seed)
    life = _Life(chance)
    life.pairs = [(name, thing) for name in NAMES for thing in THINGS]
    chance.shuffle(life.pairs)
    life.people = list(NAMES)
    chance.shuffle(life.people)
    for number in range(each):
        for kind in KINDS:
            kind(life, number)
    return _laid_out(life, turns, seed)


def _plain(life: _Life, number: int) -> None:
    name, thing = life.pair()
    place = life.chance.choice(PLACES)
    statement, question = PLAIN[number % len(PLAIN)]
    words = {"name": name, "thing": thing, "place": place}
    planted = life.plant(life.chance.uniform(0.05, 0.7), life.chance.choice(NAMES), statement.format(**words))
    life.ask("plain", question.format(**words), planted, place)


def _paraphrase(life: _Life, number: int) -> None:
    name = life.chance.choice(NAMES)
    statement, question, answer = PARAPHRASES[(number * 7 + life.chance.randrange(7)) % len(PARAPHRASES)]
    planted = life.plant(life.chance.uniform(0.05, 0.7), name, statement.format(name=name))
    life.ask("paraphrase", question.format(name=name), planted, answer)


def _time(life: _Life, number: int) -> None:
    name, thing = life.pair()
    chosen = life.chance.choice([1, 2, 3, 4, 5])
    words = {1: "yesterday", 2: "two days ago", 3: "three days ago", 4: "four days ago", 5: "five days ago"}
    places = life.chance.sample(PLACES, 5)
    for days in range(1, 6):
        text = f"{name} carried a {thing} to the {places[days - 1]}."
        planted = life.plant(1.0 + days, name, text)  # past 1: so many days before the end
        if days == chosen:
            life.ask("time", f"Where did {name} carry a {thing} {words[days]}?", planted, places[days - 1])


def _two_hop(life: _Life, number: int) -> None:
    first, second = life.people.pop(), life.people.pop()
    kin = life.chance.choice(["sister", "brother", "cousin", "uncle", "aunt"])
    goods = life.chance.choice(GOODS)
    life.plant(life.chance.uniform(0.05, 0.5), first, f"My {kin} is {second}, did you know?")
    planted = life.plant(
        life.chance.uniform(0.05, 0.7), life.chance.choice(NAMES), f"{second} sells {goods} these days."
    )
    life.ask("two_hop", f"What does {first}'s {kin} sell?", planted, goods)


def _reply(life: _Life, number: int) -> None:
    name, thing = life.pair()
    place = life.chance.choice(PLACES)
    when = life.chance.uniform(0.05, 0.7)
    life.plant(when, life.chance.choice(NAMES), f"{name}, who looks after the {thing} while you are away?")
    planted = life.plant(when + _MOMENT, name, life.chance.choice(REPLIES).format(place=place))
    life.ask("reply", f"Who looks after {name}'s {thing}?", planted, place)


def _changed(life: _Life, number: int) -> None:
    name, thing = life.pair()
    places = life.chance.sample(PLACES, 3)
    planted = [
        life.plant(at, name, f"I keep my {thing} in the {place}.")
        for at, place in zip((0.1, 0.35, 0.6), places, strict=True)
    ]
    life.ask("changed", f"Where does {name} keep the {thing} now?", planted[-1], places[-1])


def _undone(life: _Life, number: int) -> None:
    name, thing = life.pair()
    here, there = life.chance.sample(PLACES, 2)
    planted = life.plant(0.2, name, f"I left the {thing} at the {here}.")
    life.undone.add(life.plant(0.74 + number / 1e4, name, f"I left the {thing} at the {there} after all."))
    life.ask("undone", f"Where did {name} leave the {thing}?", planted, here)


def _unseen(life: _Life, number: int) -> None:
    name, thing = life.pair()
    here, there = life.chance.sample(PLACES, 2)
    planted = life.plant(0.25, name, f"I hid the {thing} behind the {here}.")
    life.unheard.add(life.plant(0.65, name, f"I hid the {thing} behind the {there}, tell nobody."))
    life.ask("unseen", f"Where did {name} hide the {thing}?", planted, here)


KINDS: tuple[Callable[[_Life, int], None], ...] = (
    _plain,
    _paraphrase,
    _time,
    _two_hop,
    _reply,
    _changed,
    _undone,
    _unseen,
)


def talk(chance: random.Random) -> tuple[str, str]:
    """Who says it, and something about people and things that answers nothing."""
    words = {
        "name": chance.choice(NAMES),
        "other": chance.choice(NAMES),
        "thing": chance.choice(THINGS),
        "place": chance.choice(PLACES),
        "trade": chance.choice(TRADES),
        "goods": chance.choice(GOODS),
    }
    return chance.choice(NAMES), chance.choice(CHATTER).format(**words)


def _laid_out(life: _Life, turns: int, seed: int) -> Dialogue:
    """Planted turns in their places among talk; the last day ends with the questions."""
    days = 12.0
    end_s = 40 * DAY_S + 20 * HOUR_S
    laid = []
    for when, name, speaker, text in life.planted:
        at_s = end_s - (when - 1.0) * DAY_S - 6 * HOUR_S if when > 1.0 else end_s - days * DAY_S * (1.0 - when)
        laid.append((at_s, name, speaker, text))
    for number in range(max(0, turns - len(laid))):
        speaker, text = talk(life.chance)
        laid.append((end_s - days * DAY_S * life.chance.random(), f"t{number}", speaker, text))
    laid.sort()
    return Dialogue(
        id=f"life{seed}",
        turns=tuple(Turn(id=name, speaker=speaker, text=text, time=at_s) for at_s, name, speaker, text in laid),
        questions=tuple(
            Asked(id=f"q{number}", text=text, evidence=evidence, kind=kind, must_tell=answer)
            for number, (kind, text, evidence, answer) in enumerate(life.questions)
        ),
        unheard=frozenset(life.unheard),
        undone=frozenset(life.undone),
    )
