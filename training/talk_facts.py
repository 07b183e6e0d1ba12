"""What an NPC knows is asked, and what it does not."""

from __future__ import annotations

import re

from training.cast import FACTS, Known, answers
from training.lexicon import HERE, load_yaml
from training.patterns import Slots, capital
from training.talk import Intent, Talk, Turn
from training.talk_social import shrugged

_PHRASES = load_yaml(HERE / "phrases.yaml")["facts"]
_AGAIN = _PHRASES["again"]


def ask(talk: Talk) -> Turn | None:
    """A fact is asked, in a way of its own or in a general one."""
    if not talk.npc.known:
        return None
    known = talk.pick(talk.npc.known)
    if known.answer in talk.asked and talk.rng.random() < 0.8:
        return None
    question = question_about(talk, known)
    said = talk.dressed(known.answer)
    if known.answer in talk.asked:
        said = talk.pick(_AGAIN).format(known.answer)
    talk.asked.add(known.answer)
    return Turn(
        said,
        talk.asked_as(question),
        source=known.told,
        topic=known.topic,
        check={"kind": "fact", "want": known.answer},
    )


def question_about(talk: Talk, known: Known) -> str:
    """One of the questions that `known` answers."""
    if known.keys and talk.rng.random() < 0.4:
        return about(talk, talk.pick(known.keys))
    return str(talk.pick(known.asks))


def about(talk: Talk, key: str) -> str:
    """A general question about something."""
    is_name = key[:1].isupper()
    if talk.rng.random() < 0.5:
        return f"{talk.pick(FACTS['about_leads'])} {'' if is_name else 'the '}{key}{talk.pick(FACTS['about_tails'])}"
    return Slots(talk.lexicon, k=key).fill(talk.pick(FACTS["about_name" if is_name else "about"]))


_ENTRIES = [(f"{kind} {index}", entry) for kind in ("knowledge", "core") for index, entry in enumerate(FACTS[kind])]


def ask_unknown(talk: Talk) -> Turn | None:
    """Something is asked that the persona was never told."""
    topic, entry = talk.pick(_ENTRIES)
    pattern = talk.pick(entry["say"])
    questions = [one for one in entry["ask"] if re.search(r"\{(?!coin)", one)]
    if not questions and not entry.get("about"):
        return None
    slots = Slots(talk.lexicon)
    slots.fill(pattern)
    question = slots.fill(talk.pick(questions)) if questions else ""
    keys = [
        slots.values[slot]
        for slot in slots.values
        if f"{{{slot}}}" in _slots_of(questions) and slots.values[slot] in question
    ]
    if not questions or talk.rng.random() < 0.35:
        key = slots.fill("{" + talk.pick(entry.get("about") or ["things"]) + "}")
        keys, question = [key], about(talk, key)
    if not keys or not talk.unknown(keys):
        return None
    return Turn(shrugged(talk, talk.pick(keys)), talk.asked_as(question), topic=topic, check={"kind": "unknown"})


def _slots_of(questions: list[str]) -> str:
    return " ".join(questions)


_GENERAL = {
    index: entry for index, entry in enumerate(FACTS["knowledge"]) if any("{" not in ask for ask in entry["ask"])
}


def ask_missing(talk: Talk) -> Turn | None:
    """A service is asked for that this persona does not offer."""
    index = talk.pick(list(_GENERAL))
    topic = f"knowledge {index}"
    if any(known.topic == topic for known in talk.npc.known):
        return None
    question = talk.pick([ask for ask in _GENERAL[index]["ask"] if "{" not in ask])
    words = [word for word in re.findall(r"[a-z]{4,}", question.lower()) if word not in _COMMON]
    if not words or not talk.unknown([word[:-1] if word.endswith("s") else word for word in words]):
        return None
    return Turn(shrugged(talk, ""), talk.asked_as(question), topic=topic, check={"kind": "unknown"})


_COMMON = frozenset(_PHRASES["common"])


def saying(talk: Talk) -> Turn | None:
    """What an example answers."""
    if not talk.npc.sayings:
        return None
    said, answer = talk.pick(talk.npc.sayings)
    if any(turn.reply == answer for turn in talk.turns[-3:]):
        return None
    line = said if talk.rng.random() < 0.7 else talk.asked_as(said)
    return Turn(answer, line, check={"kind": "example", "want": answer})


_WHO = _PHRASES["who"]
_I = (
    (r"\bYou are\b", "I am"),
    (r"\byou are\b", "I am"),
    (r"\bYou were\b", "I was"),
    (r"\byou were\b", "I was"),
    (r"\b[Yy]ou\b(?=[.,]| for| from| \w+s on| \w+ on)", "me"),
    (r"\bYou\b", "I"),
    (r"\byou\b", "I"),
    (r"\bYour\b", "My"),
    (r"\byour\b", "my"),
    (r"\byours\b", "mine"),
)
_OBJECT = (("owes you", "owes me"), ("saved you", "saved me"), ("Brings you", "Brings me"))


def in_own_mouth(text: str) -> str:
    """What a persona's file says to it, as it says it."""
    for mine, spoken in _OBJECT:
        text = text.replace(mine, spoken)
    for pattern, spoken in _I:
        text = re.sub(pattern, spoken, text)
    return text


def relation(talk: Talk) -> Turn | None:
    """Somebody it knows."""
    if not talk.npc.relations:
        return None
    name = talk.pick(list(talk.npc.relations))
    told = in_own_mouth(talk.npc.relations[name])
    asked = name if talk.rng.random() < 0.6 else name.split(" ")[0]
    reply = talk.pick((f"{asked}? {told}", f"{told}", f"Ah, {asked}. {told}"))
    return Turn(
        talk.dressed(reply), talk.asked_as(talk.pick(_WHO).format(k=asked)), check={"kind": "relation", "want": told}
    )


def lore(talk: Talk) -> Turn | None:
    """What the line brought up from a lorebook stands after it."""
    fact = new_fact(talk)
    if fact is None:
        return None
    text, known = fact
    talk.facts.append(text)
    return Turn(
        talk.dressed(known.answer),
        talk.asked_as(question_about(talk, known)),
        lore=(text,),
        source=text,
        topic=known.topic,
        check={"kind": "fact", "want": known.answer},
    )


def new_fact(talk: Talk) -> tuple[str, Known] | None:
    """A fact of general knowledge that nothing so far is about."""
    number = talk.rng.randrange(len(FACTS["knowledge"]))
    entry = FACTS["knowledge"][number]
    pattern = talk.pick([one for one in entry["say"] if "[" not in one] or [""])
    if not pattern:
        return None
    slots = Slots(talk.lexicon)
    text = capital(slots.fill(pattern))
    asks = [slots.fill(ask) for ask in entry["ask"] if answers(pattern, ask) and "{" in ask]
    keys = [slots.values[slot] for slot in entry.get("about", ()) if f"{{{slot}}}" in pattern.lower()]
    if not asks or not keys or not talk.unknown(keys):
        return None
    return text, Known(text, text, f"knowledge {number}", tuple(asks), tuple(keys))


FACTUAL: tuple[tuple[float, Intent], ...] = (
    (85, ask), (14, ask_unknown), (5, ask_missing), (4, saying), (6, relation), (4, lore),
)  # fmt: skip
