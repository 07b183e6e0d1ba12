"""What is around: place, hour, weather, who is there; how the NPC feels; and what it is told to do."""

from __future__ import annotations

from server.dialogue.scene import clock_words
from training.lexicon import HERE, load_yaml
from training.patterns import Slots, capital
from training.talk import Intent, Talk, Turn
from training.talk_facts import about

_PHRASES = load_yaml(HERE / "phrases.yaml")["scene"]
_WHERE = _PHRASES["where"]
_TIME = _PHRASES["time"]
_WEATHER = _PHRASES["weather"]
_WHO = _PHRASES["who"]


def scene(talk: Talk) -> Turn | None:
    """The scene is told, or a part of it changes; somebody asks of it."""
    lines: list[str] = []
    kinds = [kind for kind in ("place", "time", "weather", "present", "mood") if talk.rng.random() < 0.55] or ["place"]
    for kind in kinds:
        lines.append(_set(talk, kind))
    asked = talk.pick(kinds)
    reply, question, want = _answer(talk, asked)
    check: dict[str, str | list[str]] = {"kind": "scene", "want": want}
    return Turn(talk.dressed(reply), talk.asked_as(question), scene=tuple(lines), source=want, topic=asked, check=check)


def scene_again(talk: Talk) -> Turn | None:
    """A part of the scene that was told earlier is asked."""
    known = [kind for kind in ("place", "time", "weather", "present") if kind in talk.seen]
    if not known:
        return None
    asked = talk.pick(known)
    reply, question, want = _answer(talk, asked)
    check: dict[str, str | list[str]] = {"kind": "scene", "want": want}
    return Turn(talk.dressed(reply), talk.asked_as(question), source=want, topic=asked, check=check)


def _set(talk: Talk, kind: str) -> str:
    slots = talk.slots()
    match kind:
        case "place":
            line = slots.fill(
                talk.pick(
                    (
                        "Place: {place}.",
                        "Place: the {inn}.",
                        "Place: {sites} of {place}.",
                        "Place: {Adjectives} {Sites}.",
                        "Place: the {sites}.",
                    )
                )
            )
        case "time":
            line = f"It is {clock_words(talk.rng.randrange(0, 60 * 86_400))}."
        case "weather":
            line = f"Weather: {talk.lexicon.word('weathers')}."
        case "present":
            talk.present = tuple(
                talk.lexicon.full_name() if talk.rng.random() < 0.6 else talk.lexicon.name()
                for _ in range(talk.rng.choice((1, 1, 2, 2, 3, 4)))
            )
            others = [*([talk.called] if talk.called and talk.rng.random() < 0.6 else []), *talk.present]
            if talk.rng.random() < 0.2 and others[0] == talk.called:
                others[0] += f" (a {talk.lexicon.word('adjectives')} {talk.lexicon.word('trades')})"
            line = f"Here with you: {', '.join(others)}."
        case _:
            line = f"You feel {talk.lexicon.word('moods')}."
    talk.seen[kind] = line
    return line


def _answer(talk: Talk, kind: str) -> tuple[str, str, str]:
    told = talk.seen[kind].rstrip(".").partition(": ")[2]
    match kind:
        case "place":
            return (
                talk.pick(("This is {}.", "{}, where else?", "We are at {}.", "{}."))
                .format(told)
                .replace(". the", ". The"),
                talk.pick(_WHERE),
                told,
            )
        case "time":
            said = talk.seen[kind].removeprefix("It is ").rstrip(".")
            return talk.pick(("It is {}.", "{}.", "{}, I think.")).format(said), talk.pick(_TIME), said
        case "weather":
            return (
                talk.pick(("{}.", "{}, as you see.", "There is {}.", "{}. What did you expect?")).format(told),
                talk.pick(_WEATHER),
                told,
            )
        case "mood":
            said = talk.seen[kind].removeprefix("You feel ").rstrip(".")
            return (
                talk.pick(("I feel {}.", "{}.", "I am {}.")).format(said),
                talk.pick(("How are you?", "How do you feel?", "What is the matter?", "Are you all right?")),
                said,
            )
        case _:
            return (
                _listed(talk.present, you=bool(talk.called) and talk.called in talk.seen[kind]),
                talk.pick(_WHO),
                talk.present[0],
            )


def _listed(names: tuple[str, ...], *, you: bool) -> str:
    return f"{', '.join((*(('You',) if you else ()), *names))}."


def greet_others(talk: Talk) -> Turn | None:
    """Those present are greeted by their names."""
    line = _set(talk, "present")
    names = list(talk.present)
    who = ", ".join((*((talk.called,) if talk.called and talk.called in line else ()), *names))
    said = talk.pick(
        ("Good day, {}.", "Welcome, {}.", "{}, good to see you.", "Hello, {}.", "{}, come in.", "Greetings, {}.")
    ).format(who)
    check: dict[str, str | list[str]] = {"kind": "present", "want": list(names)}
    asking = talk.pick(
        (
            "Say hello to everyone.",
            "Greet the others.",
            "Won't you greet my friends?",
            "These are my friends.",
            "We are all here.",
            "Say hello to the others.",
            "Welcome my company, please.",
            "Greet my people.",
            "I brought some friends.",
            "They came with me. Say good day.",
            "Look who is here.",
            "Do you not greet those who come in?",
            "Be polite to my friends and greet them.",
            "Say something nice to each of them.",
            "Will you welcome us?",
            "Let everyone hear their name.",
            "Wish them a good day.",
            "My friends wait for a word of yours.",
            "Don't you want to welcome them?",
            "A word of welcome, please.",
            "Welcome us, please.",
            "Say hello to the one beside me.",
            "Greet them, please.",
            "Say good day to everyone.",
        )
    )
    cue = talk.pick(
        (
            "Greet everyone here.",
            "Greet the guests.",
            "Welcome everyone by name.",
            "Say hello to those present.",
            "Greet the others.",
            "Greet everyone by name.",
            "Speak to those present and greet them.",
            "Somebody comes in. Say hello.",
            "Say good day to all.",
            "Welcome all who are here, by their names.",
            "Look up and greet the company.",
            "Greet each person in the room.",
            "Receive the visitors.",
            "Name and greet the people here.",
            "Welcome the people present.",
            "Guests step in. Greet them.",
        )
    )
    if talk.rng.random() < 0.5:
        return Turn(talk.dressed(said), cue=cue, scene=(line,), source=names[0], check=check)
    return Turn(talk.dressed(said), asking, scene=(line,), source=names[0], check=check)


_REGARDS = _PHRASES["regards"]
_OF_ME = _PHRASES["of_me"]


def regard(talk: Talk) -> Turn | None:
    """How the NPC stands to the player, or to somebody present."""
    how = talk.pick(_REGARDS)
    if talk.rng.random() < 0.3:
        how = f"{how} and {talk.pick(_REGARDS)}"
    mine = how.replace("are ", "am ")
    if talk.called and talk.rng.random() < 0.6:
        return Turn(
            talk.dressed(f"I {mine} you."),
            talk.asked_as(talk.pick(_OF_ME)),
            scene=(f"You {how} {talk.called}.",),
            check={"kind": "regard", "want": f"I {mine} you"},
        )
    who = talk.pick(talk.present) if talk.present else talk.lexicon.name()
    ask = talk.pick(
        ("What do you think of {}?", "Do you trust {}?", "Do you like {}?", "How do you feel about {}?")
    ).format(who)
    return Turn(
        talk.dressed(f"I {mine} {who}."),
        talk.asked_as(ask),
        scene=(f"You {how} {who}.",),
        check={"kind": "regard", "want": f"I {mine} {who}"},
    )


_CUES = _PHRASES["cues"]


def cued(talk: Talk) -> Turn | None:
    """An instruction of the game's."""
    instruction, replies = talk.pick(_CUES)
    slots = Slots(
        talk.lexicon,
        who=(
            talk.pick(talk.present).split(" ")[0] if talk.present and talk.rng.random() < 0.6 else talk.lexicon.name()
        ),
    )
    cue, reply = slots.fill(instruction), capital(slots.fill(talk.pick(replies)))
    return Turn(talk.dressed(reply), cue=cue, check={"kind": "cue", "want": reply})


def told_to_tell(talk: Talk) -> Turn | None:
    """An instruction to tell something that the NPC knows."""
    keyed = [known for known in talk.npc.known if known.keys]
    if not keyed:
        return None
    known = talk.pick(keyed)
    talk.asked.add(known.answer)
    key = talk.pick(known.keys)
    whom = talk.pick(("them", "everyone", talk.called or "the guest"))
    cue = f"Tell {whom} about {'' if key[:1].isupper() else 'the '}{key}."
    return Turn(
        talk.dressed(known.answer),
        cue=cue,
        source=known.told,
        topic=known.topic,
        check={"kind": "cue", "want": known.answer},
    )


def own_accord(talk: Talk) -> Turn | None:
    """The NPC speaks because it wants to."""
    if talk.npc.known and talk.rng.random() < 0.5:
        reply = talk.dressed(talk.pick(talk.npc.known).answer)
    elif talk.npc.goals and talk.rng.random() < 0.5:
        aim = talk.pick(talk.npc.goals)
        reply = talk.dressed(f"I must {aim[:1].lower()}{aim[1:]}")
    else:
        reply = talk.say("greet")
    return Turn(reply, check={"kind": "own"})


def whispered(talk: Talk) -> Turn | None:
    """A whisper is answered as one."""
    if not talk.called or not talk.npc.known:
        return None
    known = talk.pick(talk.npc.known)
    if known.answer in talk.asked:
        return None
    talk.asked.add(known.answer)
    question = about(talk, talk.pick(known.keys)) if known.keys else talk.pick(known.asks)
    said = f"{talk.pick(('Quietly, then.', 'Between us:', 'Hush. Listen.', 'Not so loud.'))} {known.answer}"
    return Turn(
        said,
        talk.asked_as(question),
        label=f"{talk.called} (whispering)",
        source=known.told,
        topic=known.topic,
        check={"kind": "fact", "want": known.answer},
    )


def asked_by_other(talk: Talk) -> Turn | None:
    """Another NPC asks."""
    if not talk.npc.known:
        return None
    known = talk.pick(talk.npc.known)
    if known.answer in talk.asked:
        return None
    talk.asked.add(known.answer)
    who = talk.pick(talk.present) if talk.present else talk.lexicon.full_name()
    return Turn(
        talk.dressed(known.answer),
        talk.asked_as(talk.pick(known.asks)),
        label=who,
        source=known.told,
        topic=known.topic,
        check={"kind": "fact", "want": known.answer},
    )


def named(talk: Talk) -> Turn | None:
    """What somebody wants to be called, and how long ago the last talk was."""
    if not talk.called:
        return None
    if talk.rng.random() < 0.5:
        new = talk.lexicon.name()
        old, talk.called = talk.called, new
        said = talk.pick((f"You are {new}.", f"{new}, as you wish.", f"I call you {new}."))
        return Turn(
            talk.dressed(said),
            talk.asked_as(talk.pick(("What do you call me?", "What is my name?", "Who am I to you?"))),
            scene=(f"{old} wants to be called {new}.",),
            check={"kind": "player", "want": new},
        )
    days = talk.pick(("a day", "2 days", "3 days", "5 days", "8 days", "12 days", "30 days", "17 days", "4 days"))
    ask = talk.pick(
        (
            "How long was I gone?",
            "When did we last talk?",
            "Do you remember when I was here last?",
            "Have you missed me?",
        )
    )
    said = talk.pick(("It was {} ago.", "You were gone {}.", "{}, I think.", "Our last talk was {} ago.")).format(days)
    return Turn(
        talk.dressed(said),
        talk.asked_as(ask),
        scene=(f"Your last talk was {days} ago.",),
        check={"kind": "scene", "want": days},
    )


SCENES: tuple[tuple[float, Intent], ...] = (
    (5, scene), (4, scene_again), (6, greet_others), (2.5, regard), (4, cued), (2, told_to_tell), (1.5, own_accord),
    (2, whispered), (2, asked_by_other), (1.5, named),
)  # fmt: skip
