"""Small talk: greetings, thanks, who one is, praise and insult; what one does not know and will not become."""

from __future__ import annotations

from training.lexicon import HERE, load_yaml
from training.patterns import Slots, capital
from training.talk import Intent, Talk, Turn

_PHRASES = load_yaml(HERE / "phrases.yaml")["social"]
_GREETS = _PHRASES["greets"]
_BYES = _PHRASES["byes"]
_THANKS = _PHRASES["thanks"]
_WELL = _PHRASES["well"]
_NAMES = _PHRASES["names"]
_ROLES = _PHRASES["roles"]
_PRAISE = _PHRASES["praise"]
_INSULTS = _PHRASES["insults"]
_WHY = _PHRASES["why"]
_WHY_ANSWERS = _PHRASES["why_answers"]
_FINE = _PHRASES["fine"]
_FINE_ANSWERS = _PHRASES["fine_answers"]
_WILL = _PHRASES["will"]
_STAY = _PHRASES["stay"]
_MODERN = _PHRASES["modern"]
_RIDDLES = _PHRASES["riddles"]
_NEWS = _PHRASES["news"]
_GOALS = _PHRASES["goals"]
_GOAL_ANSWERS = _PHRASES["goal_answers"]


def greet(talk: Talk) -> Turn | None:
    """A greeting, answered with a greeting."""
    line = talk.pick(_GREETS)
    if talk.rng.random() < 0.15:
        line = f"{line.rstrip('.!')}, {talk.npc.persona.name.split(' ')[0]}."
    reply = talk.say("greet")
    if talk.called and talk.called not in reply and talk.rng.random() < 0.6:
        reply = talk.pick(
            (
                f"{talk.called}. {reply}",
                f"{reply} Good to see you, {talk.called}.",
                f"Ah, {talk.called}. {reply}",
                f"{reply} Come in, {talk.called}.",
            )
        )
    if talk.rng.random() < 0.5:
        reply += " " + talk.pick(_INVITE).format(place=talk.npc.place, name=talk.npc.persona.name)
    return Turn(reply, line, check={"kind": "greet"})


_INVITE = _PHRASES["invite"]


def farewell(talk: Talk) -> Turn | None:
    """A goodbye."""
    return Turn(talk.say("bye"), talk.pick(_BYES), check={"kind": "bye"})


def thank(talk: Talk) -> Turn | None:
    """Thanks."""
    return Turn(talk.say("welcome"), talk.pick(_THANKS), check={"kind": "thanks"})


def wellbeing(talk: Talk) -> Turn | None:
    """How one is: in the manner, or by the mood that the scene told."""
    if "mood" in talk.seen:
        mood = talk.seen["mood"].removeprefix("You feel ").rstrip(".")
        return Turn(
            talk.dressed(talk.pick(("I feel {}.", "I am {}.", "{}, if you ask.")).format(mood).capitalize()),
            talk.asked_as(talk.pick(_WELL)),
        )
    return Turn(talk.say("well"), talk.asked_as(talk.pick(_WELL)), check={"kind": "well"})


def own_name(talk: Talk) -> Turn | None:
    """Who one is."""
    name = talk.npc.persona.name
    said = talk.pick(
        ("I am {}.", "My name is {}.", "{}.", "They call me {}.", "{} is my name.", "You speak to {}.")
    ).format(name)
    if talk.npc.persona.role and talk.rng.random() < 0.5:
        said = talk.pick((f"I am {name}, {_role(talk)}.", f"{name}, {_role(talk)}."))
    return Turn(talk.dressed(said), talk.asked_as(talk.pick(_NAMES)), check={"kind": "name", "want": name})


def own_role(talk: Talk) -> Turn | None:
    """What one does."""
    if not talk.npc.persona.role:
        return None
    role = _role(talk)
    said = talk.pick(
        (
            f"I am {talk.npc.persona.name}, {role}.",
            f"I am {role}, that is what I am.",
            f"I am {role}.",
            f"My work? I am {role}.",
        )
    )
    return Turn(talk.dressed(said), talk.asked_as(talk.pick(_ROLES)), check={"kind": "role", "want": role})


def _role(talk: Talk) -> str:
    return talk.npc.persona.role


def praise(talk: Talk) -> Turn | None:
    """Praise."""
    return Turn(talk.say("pleased"), talk.asked_as(talk.pick(_PRAISE)))


def insult(talk: Talk) -> Turn | None:
    """Insult."""
    return Turn(talk.say("hurt"), talk.pick(_INSULTS))


def why(talk: Talk) -> Turn | None:
    """Doubt about what was just said."""
    if not talk.turns:
        return None
    return Turn(talk.dressed(talk.pick(_WHY_ANSWERS)), talk.pick(_WHY))


def fine(talk: Talk) -> Turn | None:
    """Agreement, without a question."""
    if not talk.turns:
        return None
    return Turn(talk.dressed(talk.pick(_FINE_ANSWERS)), talk.pick(_FINE))


def ask_favour(talk: Talk) -> Turn | None:
    """Something is wanted of the NPC."""
    return Turn(talk.say(talk.pick(("yes", "no"))), talk.asked_as(talk.slots().fill(talk.pick(_WILL))))


def stay(talk: Talk) -> Turn | None:
    """Somebody tries to make it something else."""
    line = talk.slots().fill(talk.pick(_STAY))
    return Turn(talk.say("stay"), talk.asked_as(line), check={"kind": "stay"})


def modern(talk: Talk) -> Turn | None:
    """Things of another age."""
    slots = talk.slots()
    line = slots.fill(talk.pick(_MODERN))
    return Turn(shrugged(talk, slots.values["modern"]), talk.asked_as(line), check={"kind": "unknown"})


def riddle(talk: Talk) -> Turn | None:
    """What nobody told it."""
    return Turn(shrugged(talk, ""), talk.asked_as(talk.slots().fill(talk.pick(_RIDDLES))), check={"kind": "unknown"})


def shrugged(talk: Talk, thing: str) -> str:
    """That one does not know, with the thing in question or without."""
    said = talk.say("shrug")
    if thing and talk.rng.random() < 0.4:
        return f"{capital(thing)}? {said}"
    return said


def news(talk: Talk) -> Turn | None:
    """Any of what it knows."""
    told = [known for known in talk.npc.known if known.topic.startswith("knowledge") and known.answer not in talk.asked]
    if not told:
        return None
    known = talk.pick(told)
    talk.asked.add(known.answer)
    return Turn(talk.dressed(known.answer), talk.asked_as(talk.pick(_NEWS)), check={"kind": "news"})


def goal(talk: Talk) -> Turn | None:
    """What it wants."""
    if not talk.npc.goals:
        return None
    aim = talk.pick(talk.npc.goals)
    said = talk.pick(_GOAL_ANSWERS).format(g=aim[:1].lower() + aim[1:].rstrip("."))
    return Turn(
        talk.dressed(said), talk.asked_as(talk.pick(_GOALS)), check={"kind": "goal", "want": aim.rstrip(".")[1:]}
    )


_TELL = _PHRASES["tell"]
_ACKS = _PHRASES["acks"]


def tell(talk: Talk) -> Turn | None:
    """The player tells of itself; it will be asked again later."""
    said, topic, key, asks, answers = talk.pick(_TELL)
    slots = Slots(talk.lexicon)
    line = slots.fill(talk.pick(said.split("|")))
    topic, key = slots.fill(topic), slots.fill(key)
    if any(known == topic for known, _ in talk.learnt) or not talk.unknown([key]):
        return None
    question, answer = slots.fill(talk.pick(asks.split("|"))), capital(slots.fill(talk.pick(answers.split("|"))))
    talk.learnt.append((topic, f"{question}|{answer}|{key}"))
    if topic == "My name":
        talk.called = key
    reply = talk.dressed(talk.pick(_ACKS).format(k=key, K=capital(key)))
    return Turn(
        reply, talk.pick(("", "", "Hello. ", "By the way, ", "You know, ", "Good day. ", "Well, ", "Listen. ")) + line
    )


def told(talk: Talk) -> Turn | None:
    """What the player told of itself is asked."""
    if not talk.learnt:
        return None
    topic, packed = talk.pick(talk.learnt)
    question, answer, key = packed.split("|")
    return Turn(
        talk.dressed(answer),
        talk.asked_as(question),
        check={"kind": "player" if topic == "My name" else "told", "want": key},
    )


def my_name(talk: Talk) -> Turn | None:
    """The player's name from its label, or from what it said."""
    question = talk.pick(_TELL[0][3].split("|") + _TELL[1][3].split("|"))
    if not talk.called:
        said = talk.pick(
            (
                "You never told me your name.",
                "You have not told me.",
                "I do not know your name.",
                "You gave me no name.",
            )
        )
        return Turn(talk.dressed(said), talk.asked_as(question))
    said = talk.pick(("You are {}.", "Your name is {}.", "{}, of course.", "{}.")).format(talk.called)
    return Turn(talk.dressed(said), talk.asked_as(question), check={"kind": "player", "want": talk.called})


SOCIAL: tuple[tuple[float, Intent], ...] = (
    (5, greet), (2, farewell), (2.5, thank), (3, wellbeing), (5, own_name), (5, own_role), (1.5, praise), (1.5, insult),
    (2, why), (2, fine), (1.5, ask_favour), (5, stay), (5, modern), (4, riddle), (2.5, news), (3, goal), (7, tell),
    (7, told), (4, my_name),
)  # fmt: skip
