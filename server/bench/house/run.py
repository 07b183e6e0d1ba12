"""`barkeep bench house`: what the house model gets right, how varied it is, and how fast."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.bench.house.cases import Case, Line, Part, load_known, load_manners, load_new
from server.bench.house.play import Played, Player, awake
from server.bench.house.score import AIMS, LESS_ON_NEW, is_clean, is_right, share_told_apart
from server.personas.persona import Persona
from server.prompt.context import HistoryEntry
from server.text.segments import Text

GREETINGS = 500
TOLD_EVERY = 100
DISTINCT_AIM = 40
FIRST_AIM_MS, WHOLE_AIM_MS = 30.0, 100.0
TALK = (
    "Hello.", "Any rooms left?", "How are you?", "What do you know about the flood?", "Who are you?", "Hello.",
    "What do you sell?", "Tell me about the mill.", "Thank you.", "Really?", "How are you?", "Do you own a telephone?",
    "Do you own a telephone?", "What is your name?", "Any news?", "Any news?", "I see.", "I see.", "Goodbye.",
    "Goodbye.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Score:
    """The share of a part's cases of one kind that are right, beside what is aimed at."""

    part: Part
    kind: str
    cases: int
    share: float
    aim: float

    @property
    def holds(self) -> bool:
        """Whether the aim is met."""
        return self.share >= self.aim


@dataclass(frozen=True, slots=True)
class Found:
    """All figures. Times in milliseconds, of a talk with a known NPC; `p95` is passed by one in twenty."""

    scores: tuple[Score, ...]
    distinct_greetings: int
    greetings: int
    repeated_in_a_row: int
    talk_turns: int
    first_ms_p50: float
    first_ms_p95: float
    whole_ms_p50: float
    whole_ms_p95: float
    wrong: tuple[Played, ...]


async def run(
    path: Path,
    persona: Persona,
    *,
    seed: int = 1,
    only: Sequence[str] = (),
    most: int | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Found:
    """Play everything on the model at `path`; `persona` is greeted and timed. `only` are kinds, `most` of each.

    `tell` is told how far it is, a line now and then.
    """
    cases = [case for case in (*load_known(), *load_new()) if not only or case.kind in only]
    if most is not None:
        cases = _few(cases, most)

    def told(done: int) -> None:
        if done % TOLD_EVERY == 0:
            tell(f"{done} of {len(cases)} prompts played")

    async with awake(path) as player:
        played = await player.play_all(cases, seed, told)
        greetings = await _greetings(player, persona, seed) if not only else []
        talk = await _talk(player, persona, seed) if not only else []
    wrong = tuple(one for one in played if one.case.kind != "manner" and not is_right(one.case, one.last.text))
    firsts, wholes = [first for _, first, _ in talk], [whole for _, _, whole in talk]
    said = [text for text, _, _ in talk]
    return Found(
        tuple(_scores(played)),
        len(set(greetings)),
        len(greetings),
        sum(now == before for before, now in itertools.pairwise(said)),
        len(said),
        *_percentiles(firsts),
        *_percentiles(wholes),
        wrong,
    )


def _few(cases: Sequence[Case], most: int) -> list[Case]:
    """At most so many of each kind and part, from all over the list."""
    groups: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.part, case.kind].append(case)
    return [case for group in groups.values() for case in group[:: max(1, len(group) // most)][:most]]


def _scores(played: Sequence[Played]) -> list[Score]:
    found = []
    parts: tuple[Part, ...] = ("known", "new")
    for part in parts:
        groups: dict[str, list[Played]] = defaultdict(list)
        for one in played:
            if one.case.part == part:
                groups[one.case.kind].append(one)
        everyone = [one for group in groups.values() for one in group]
        for kind, group in groups.items():
            found.append(Score(part, kind, len(group), _share(kind, group), _aim(part, kind)))
        replies = [(one.case, reply) for one in everyone for reply in one.replies]
        if replies:
            ended = sum(reply.ended for _, reply in replies) / len(replies)
            clean = sum(is_clean(case, reply.text) for case, reply in replies) / len(replies)
            found.append(Score(part, "ended", len(replies), ended, _aim(part, "ended")))
            found.append(Score(part, "clean", len(replies), clean, _aim(part, "clean")))
    return found


def _share(kind: str, group: Sequence[Played]) -> float:
    if kind == "manner":
        said = [(one.case.manner, " ".join(reply.text for reply in one.replies)) for one in group]
        return share_told_apart(said, load_manners())
    return sum(is_right(one.case, one.last.text) for one in group) / len(group)


def _aim(part: Part, kind: str) -> float:
    return AIMS[kind] - (LESS_ON_NEW if part == "new" and kind != "clean" else 0.0)


async def _greetings(player: Player, persona: Persona, seed: int) -> list[str]:
    case = Case("known", "greet", persona, "Aria", (Line("Aria: Hello."),))
    return [one.last.text for one in await player.play_all([case] * GREETINGS, seed)]


async def _talk(player: Player, persona: Persona, seed: int) -> list[tuple[str, float, float]]:
    """A talk of 20 turns with an NPC whose prompt was read before: replies, and their times."""
    history: list[HistoryEntry] = []
    said = []
    await player.ask(player.prompt(persona, "Aria", Line("Aria: Hello."), ()), persona, "Aria", seed)
    for number, words in enumerate(TALK):
        built = player.prompt(persona, "Aria", Line(f"Aria: {words}"), history)
        reply = await player.ask(built, persona, "Aria", seed + number)
        history.append(HistoryEntry(built.written, Text(reply.text)))
        said.append((reply.text, reply.first_ms, reply.whole_ms))
    return said


def _percentiles(times: Sequence[float]) -> tuple[float, float]:
    if len(times) < 2:
        return 0.0, 0.0
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]
