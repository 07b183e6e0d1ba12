"""Writes the corpus: talks as the server itself would lay them out, with the words to be learnt marked.

Every prompt is made by `server.prompt.build`, so the layout that is learnt is the layout in use.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from server.personas.persona import Persona
from server.prompt.build import build
from server.prompt.context import HistoryEntry, Item, PromptLimits, TurnContext
from server.prompt.rules import RULES
from server.prompt.tokens import EstimatedTokenizer
from server.text.labels import labelled
from server.text.segments import Close, Open, Segment, Text
from training.cast import make_npc
from training.lexicon import VALLEY, Lexicon
from training.talk import Intent, Talk, Turn, talk_of
from training.talk_facts import FACTUAL
from training.talk_memory import MEMORIES
from training.talk_scene import SCENES
from training.talk_social import SOCIAL, greet
from training.wide import WideLexicon, WiderLexicon

Course = Literal["drill", "talk", "wide", "wider"]
"""What is learnt, one after another. `drill`: short talks without rules, for looking up and copying. `talk`: talks in
the words of the setting. `wide`: talks in words without end, so that no list of words is worth learning. `wider`: in
words that begin as any other word does, so that no beginning is worth guessing."""

UNTOLD = ("unknown", "stay")
"""Kinds of question that nothing in the prompt answers."""
LIMITS = PromptLimits(prompt_tokens=200_000, new_tokens=8_000, recall_tokens=4_000)
INTENTS: tuple[tuple[float, Intent], ...] = (*SOCIAL, *FACTUAL, *MEMORIES, *SCENES)
_LEXICONS: dict[Course, type[Lexicon]] = {"wide": WideLexicon, "wider": WiderLexicon}
_NOBODY = Persona(id="npc", name="N")
_COUNT = EstimatedTokenizer()


@dataclass(frozen=True, slots=True)
class Lookup:
    """What was `asked`, how a reply `told` it, and the `source` in the prompt that it was told from; "" if nowhere."""

    asked: str
    told: str
    source: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a document; `learnt` where the model should have said it, `heard` where others said it.

    `lookup` stands with a reply that tells a line of the prompt, or that no line can tell; `wants`, `asked`, `topic`
    and `manner` are a reply's: the words that it should hold, what it answers, what of and how. `holds` are texts of
    the prompt so far, each with the topic or manner that it tells.
    """

    segment: Segment
    learnt: bool = False
    heard: bool = False
    lookup: Lookup | None = None
    wants: tuple[str, ...] = ()
    asked: str = ""
    topic: str = ""
    manner: str = ""
    holds: tuple[tuple[str, str], ...] = ()


def document(seed: int, number: int, *, setting: Path = VALLEY, course: Course = "talk") -> list[Piece]:
    """One talk; the same for the same seed and number. Sizes vary: most are short, some as long as a real persona.

    See `Course` for what is learnt when.
    """
    talk = make_talk(seed, number, setting=setting, course=course)
    is_drill = course == "drill"
    with_rules = not is_drill and number % 3 == 0  # they are always the same: a third is enough to learn them
    return laid_out(talk, with_facts=None if is_drill else talk.rng, rules=RULES if with_rules else "")


def make_talk(
    seed: int, number: int, *, setting: Path = VALLEY, held_out: bool = False, course: Course = "talk"
) -> Talk:
    """The talk of this number."""
    rng = random.Random(f"{seed}/{number}" if course == "talk" else f"{seed}/{number}/{course}")
    lexicon = _LEXICONS.get(course, Lexicon)(rng, setting, held_out=held_out)
    if course == "drill":
        return talk_of(lexicon, make_npc(lexicon, size=0.5), INTENTS, rng.randint(5, 10), lambda talk: None)
    size = rng.choices((0.5, 1.0, 1.6, 2.6), (35, 40, 18, 7))[0]
    npc = make_npc(lexicon, size=size)
    start = greet if rng.random() < 0.3 else (lambda talk: None)
    length = rng.randint(2, 7) if rng.random() < 0.4 else rng.randint(8, 20)
    return talk_of(lexicon, npc, INTENTS, length, start)


def context_of(
    talk: Talk, turn: Turn, persona: Persona, history: tuple[HistoryEntry, ...] = (), rules: str = RULES
) -> TurnContext:
    """What the server's dialogue room would hand to the prompt for this turn."""
    return TurnContext(
        rules=rules,
        persona=persona,
        player_name=talk.called or talk.label,
        facts=turn.facts,
        history=history,
        scene=turn.scene,
        events=turn.events,
        line=labelled(turn.label or talk.label, turn.line) if turn.line else "",
        memories=tuple(Item(f"m{at}", text) for at, text in enumerate(turn.memories)),
        lore=tuple(Item(f"l{at}", text) for at, text in enumerate(turn.lore)),
        others=turn.others,
        cue=turn.cue,
    )


def history_of(talk: Talk, turns: list[Turn]) -> tuple[HistoryEntry, ...]:
    """Past turns as the server keeps them."""
    entries = []
    for turn in turns:
        written = build(context_of(talk, turn, _NOBODY), LIMITS, _COUNT).written
        entries.append(HistoryEntry(written, Text(turn.reply if turn.cut is None else turn.cut)))
    return tuple(entries)


def laid_out(talk: Talk, with_facts: random.Random | None = None, rules: str = RULES) -> list[Piece]:
    """The talk as pieces, from the system turn to the last reply."""
    *past, last = talk.turns
    if with_facts is not None and with_facts.random() < 0.2:
        last.facts = tuple(
            talk.slots().fill("{name} told you: The {sites} is closed.") for _ in range(with_facts.randint(1, 2))
        )
    built = build(context_of(talk, last, talk.npc.persona, history_of(talk, past), rules), LIMITS, _COUNT)
    return list(_marked(built.prompt.segments, talk))


def _marked(segments: tuple[Segment, ...], talk: Talk) -> Iterator[Piece]:
    replies = iter(talk.turns)
    speaking: Turn | None = None
    is_user = False
    holds = _holds(talk)
    for segment in segments:
        if speaking is not None and speaking.cut is None:
            yield _reply(segment, speaking, talk)
        else:
            yield Piece(segment, heard=is_user, holds=holds if isinstance(segment, Close) else ())
        if isinstance(segment, Open):
            speaking = next(replies) if segment.role == "assistant" else None
            is_user = segment.role == "user"
        elif isinstance(segment, Close):
            speaking, is_user, holds = None, False, ()
    yield _reply(Text(talk.turns[-1].reply), talk.turns[-1], talk)
    yield Piece(Close(), learnt=True)


def _reply(segment: Segment, turn: Turn, talk: Talk) -> Piece:
    if not isinstance(segment, Text):
        return Piece(segment, learnt=True)
    kind, want = str(turn.check.get("kind", "")), turn.check.get("want", "")
    wants = tuple(want) if isinstance(want, list) else (want,) if want else ()
    asked = turn.line or turn.cue
    lookup = None
    if asked and (turn.source or kind in UNTOLD):
        lookup = Lookup(asked, *(wants[0], turn.source) if turn.source else ("", ""))
    topic, manner = turn.topic or kind, talk.npc.voice.manner
    return Piece(segment, learnt=True, lookup=lookup, wants=wants, asked=asked, topic=topic, manner=manner)


def _holds(talk: Talk) -> tuple[tuple[str, str], ...]:
    """What the system turn tells, and of what kind it is."""
    told = [(known.told, known.topic) for known in talk.npc.known]
    if talk.npc.persona.voice:
        told.append((talk.npc.persona.voice, talk.npc.voice.manner))
    return tuple(told)


def as_text(pieces: list[Piece]) -> str:
    """A document for people: control tokens in their usual spelling."""
    said = []
    for piece in pieces:
        match piece.segment:
            case Open(role=role):
                said.append(f"<|im_start|>{role}\n")
            case Close():
                said.append("<|im_end|>\n")
            case Text(text=text):
                said.append(text)
    return "".join(said)
