"""Memories that a line brings back, things that happened meanwhile, and what others said."""

from __future__ import annotations

from training.lexicon import HERE, load_yaml
from training.patterns import Slots, capital
from training.talk import Intent, Talk, Turn
from training.talk_facts import about, new_fact, question_about

_PHRASES = load_yaml(HERE / "phrases.yaml")["memory"]
_SOURCES = _PHRASES["sources"]
_OF_PLAYER = _PHRASES["of_player"]


def _noise(talk: Talk) -> list[str]:
    """Other memories, which do not answer the line."""
    found = []
    for _ in range(talk.rng.choice((0, 0, 1, 1, 2, 3))):
        fact = new_fact(talk)
        if fact is not None:
            source, _ = talk.pick(_SOURCES)
            found.append(source.format(who=talk.called or talk.lexicon.name(), fact=fact[0]))
    return found


def _among(talk: Talk, memory: str) -> tuple[str, ...]:
    memories = [memory, *_noise(talk)]
    talk.rng.shuffle(memories)
    talk.facts.extend(memories)
    return tuple(memories)


def of_player(talk: Talk) -> Turn | None:
    """A memory of the player."""
    remembered, said, key, asks, answers = talk.pick(_OF_PLAYER)
    if not talk.called:
        return None
    slots = Slots(talk.lexicon, p=talk.called)
    text = slots.fill(remembered)
    if talk.rng.random() < 0.3:
        text = f"{talk.called} {talk.pick(('said', 'said', 'whispered to you'))}: {slots.fill(said)}"
    key = slots.fill(key)
    topic = slots.fill(remembered.split("{p}")[1][:12])
    if any(known == topic for known, _ in talk.learnt) or not talk.unknown([key]):
        return None
    question = slots.fill(talk.pick(asks.split("|")))
    answer = capital(slots.fill(talk.pick(answers.split("|"))))
    talk.learnt.append((topic, f"{question}|{answer}|{key}"))
    return Turn(
        talk.dressed(answer),
        talk.asked_as(question),
        memories=_among(talk, text),
        check={"kind": "memory", "want": key},
    )


def of_world(talk: Talk) -> Turn | None:
    """A memory of something that was seen or told."""
    fact = new_fact(talk)
    if fact is None:
        return None
    text, known = fact
    source, answers = talk.pick(_SOURCES)
    who = talk.lexicon.full_name() if talk.rng.random() < 0.7 or not talk.called else talk.called
    answer = talk.pick(answers).format(who="You" if who == talk.called else who, fact=text)
    answer = answer.replace("You claims", "You claim").replace("from You", "from you")
    memories = _among(talk, source.format(who=who, fact=text))
    question = question_about(talk, known)
    if talk.rng.random() < 0.2:
        asked = about(talk, talk.pick(known.keys))
        question = f"Do you remember {asked[:1].lower()}{asked[1:]}"
    return Turn(
        talk.dressed(answer),
        talk.asked_as(question),
        memories=memories,
        source=text,
        topic=known.topic,
        check={"kind": "memory", "want": text},
    )


def irrelevant(talk: Talk) -> Turn | None:
    """Memories came up, and what is asked is in the persona's file."""
    if not talk.npc.known:
        return None
    known = talk.pick(talk.npc.known)
    if known.answer in talk.asked:
        return None
    talk.asked.add(known.answer)
    memories = tuple(_noise(talk))
    talk.facts.extend(memories)
    return Turn(
        talk.dressed(known.answer),
        talk.asked_as(question_about(talk, known)),
        memories=memories,
        source=known.told,
        topic=known.topic,
        check={"kind": "fact", "want": known.answer},
    )


_SEEN = _PHRASES["seen"]
_WHAT = _PHRASES["what"]
_SAW = _PHRASES["saw"]


def happened(talk: Talk) -> Turn | None:
    """Something happens, and somebody asks or the NPC remarks on it."""
    event = talk.slots().fill(talk.pick(_SEEN))
    shown, said = f"[{event}]", talk.pick(_SAW).format(event)
    if talk.rng.random() < 0.25:
        who = talk.lexicon.name()
        shown, said = f"[{who} tells you: {event}]", f"{who} told me: {event}"
    elif talk.rng.random() < 0.2:
        shown, said = f"[You hear, but do not see: {event}]", f"I heard it: {event}"
    talk.facts.append(event)
    if talk.rng.random() < 0.25:
        return Turn(
            talk.dressed(said),
            events=(shown,),
            cue=talk.pick(("", "Say what you think of it.", "Remark on what happened.")),
            check={"kind": "event", "want": event},
        )
    return Turn(
        talk.dressed(said), talk.asked_as(talk.pick(_WHAT)), events=(shown,), check={"kind": "event", "want": event}
    )


def overheard(talk: Talk) -> Turn | None:
    """Somebody else said something; the player asks what."""
    fact = new_fact(talk)
    if fact is None:
        return None
    who = talk.pick(talk.present) if talk.present else talk.lexicon.full_name()
    talk.facts.append(fact[0])
    first = who.split(" ")[0]
    question = talk.pick(
        ("What did {w} say?", "What was {w} saying?", "Did {w} say something?", "What does {w} say?")
    ).format(w=first)
    answer = talk.pick(('{w} said: "{f}"', "{w} said it: {f}", '"{f}" That is what {w} said.')).format(
        w=first, f=fact[0]
    )
    if talk.rng.random() < 0.4:
        question, answer = question_about(talk, fact[1]), f"{first} just said it. {fact[0]}"
    return Turn(
        talk.dressed(answer),
        talk.asked_as(question),
        events=(f"{who}: {fact[0]}",),
        source=fact[0],
        check={"kind": "event", "want": fact[0]},
    )


def after_others(talk: Talk) -> Turn | None:
    """Somebody answered the same line first."""
    if not talk.npc.known:
        return None
    who = talk.pick(talk.present) if talk.present else talk.lexicon.full_name()
    known = talk.pick(talk.npc.known)
    other = talk.slots().fill(
        talk.pick(
            ("I don't know.", "No idea.", "Ask somebody else.", "What a question.", "I think {name} knows.", "Not me.")
        )
    )
    talk.asked.add(known.answer)
    said = known.answer if talk.rng.random() < 0.6 else f"{who.split(' ')[0]} may not know, but I do. {known.answer}"
    return Turn(
        talk.dressed(said),
        talk.asked_as(question_about(talk, known)),
        others=(f"{who}: {other}",),
        source=known.told,
        topic=known.topic,
        check={"kind": "fact", "want": known.answer},
    )


MEMORIES: tuple[tuple[float, Intent], ...] = (
    (9, of_player), (10, of_world), (4, irrelevant), (4, happened), (4, overheard), (2, after_others),
)  # fmt: skip
