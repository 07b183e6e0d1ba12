"""How fast a memory answers as it grows, and how much room it takes."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from server.bench.memory.lists import NAMES, PLACES, THINGS
from server.bench.memory.score import percentile
from server.bench.memory.synthetic import talk
from server.dialogue.wording import as_line, as_recalled
from server.memory.embedding import Embedder
from server.memory.recall import Question
from server.memory.records import NewEvent
from server.memory.store import DATABASE_NAME, Memory
from server.personas.persona import Persona
from server.prompt.build import build
from server.prompt.context import HistoryEntry, Item, PromptLimits, TurnContext
from server.prompt.rules import RULES
from server.prompt.tokens import EstimatedTokenizer
from server.text.segments import Text

WORLD = "bench"
EVERYONE, ONE_IN_TEN = "everyone", "one-in-ten"
MEMORIES = 12
QUESTIONS = 300
WARM_UP = 30
_BATCH = 5_000
_HISTORY = 20
_ASKED = (
    "Do you remember what {name} did with the {thing} at the {place}?",
    "I spoke to {name} yesterday. What was it about the {thing}?",
    "Where is {name}?",
    "Tell me about the {place}, and who owns that {thing} there.",
)


@dataclass(frozen=True, slots=True)
class Speed:
    """One NPC in a world of so many events. Recall is the database's work and the wait for its thread."""

    events: int
    witnessed: int
    recall_ms_p50: float
    recall_ms_p99: float
    prompt_ms_p50: float
    prompt_ms_p99: float
    bytes_per_event: float


async def measure(
    counts: tuple[int, ...], questions: int = QUESTIONS, seed: int = 0, embedder: Embedder | None = None
) -> list[Speed]:
    """One world that grows to each of `counts`; two NPCs of it, one of whom witnessed every tenth event."""
    found = []
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="barkeep-bench-") as folder:
        memory = await Memory.open(Path(folder))
        if embedder is not None:
            memory.recall_by_meaning(embedder)
        try:
            events = 0
            for count in sorted(set(counts)):
                await _grow(memory, chance, events, count)
                events = count
                size = _bytes_in(Path(folder))
                for npc, witnessed in ((ONE_IN_TEN, events // 10), (EVERYONE, events)):
                    asked = [_question(chance) for _ in range(questions + WARM_UP)]
                    recall_ms, prompt_ms = await _ask(memory, npc, asked)
                    found.append(
                        Speed(
                            events,
                            witnessed,
                            percentile(recall_ms, 50),
                            percentile(recall_ms, 99),
                            percentile(prompt_ms, 50),
                            percentile(prompt_ms, 99),
                            round(size / events, 1),
                        )
                    )
        finally:
            await memory.close()
    return found


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob(f"{DATABASE_NAME}*"))


async def _grow(memory: Memory, chance: random.Random, start: int, end: int) -> None:
    """Fill up to `end` events, in large transactions, through the real schema."""
    for first in range(start, end, _BATCH):
        await memory.record_many(WORLD, list(_events(chance, first, min(end, first + _BATCH))))
    while await memory.extract_facts(_BATCH):
        pass
    while await memory.embed_new(_BATCH):
        pass


def _events(chance: random.Random, start: int, end: int) -> Iterator[NewEvent]:
    for number in range(start, end):
        name, text = talk(chance)
        witnesses = (EVERYONE, ONE_IN_TEN) if number % 10 == 0 else (EVERYONE,)
        yield NewEvent(
            kind="say",
            text=text,
            speaker=name.casefold(),
            speaker_name=name,
            player="player",
            wall_s=float(number),
            witnesses=witnesses,
            place=chance.choice(PLACES),
            time=number * 60.0,
        )


def _question(chance: random.Random) -> str:
    asked = chance.choice(_ASKED)
    return asked.format(name=chance.choice(NAMES), thing=chance.choice(THINGS), place=chance.choice(PLACES))


async def _ask(memory: Memory, npc: str, asked: list[str]) -> tuple[list[float], list[float]]:
    """Milliseconds of each recall, and of each prompt with everything that is read for it."""
    recall_ms, prompt_ms = [], []
    tokenizer = EstimatedTokenizer()
    for number, text in enumerate(asked):
        begun = time.perf_counter()
        recalled = await memory.recall(WORLD, npc, Question(text, MEMORIES))
        after_recall = time.perf_counter()
        events = await memory.events_for(WORLD, npc, after=0, limit=8)
        context = TurnContext(
            rules=RULES,
            persona=_PERSONA,
            player_name="Ana",
            history=_PAST,
            events=tuple(as_line(event) for event in events),
            memories=tuple(Item(str(one.event.seq), as_recalled(one, npc)) for one in recalled),
            line=f"Ana: {text}",
        )
        build(context, PromptLimits(prompt_tokens=4_096, new_tokens=192, recall_tokens=120), tokenizer)
        done = time.perf_counter()
        if number >= WARM_UP:
            recall_ms.append((after_recall - begun) * 1_000)
            prompt_ms.append((done - begun) * 1_000)
    return recall_ms, prompt_ms


_PERSONA = Persona(id="bench", name="Bench", core="Keeps an inn and hears everything.", voice="Short sentences.")
_PAST = tuple(
    HistoryEntry((f"Ana: And what of day {number}?\n",), Text(f"Quiet as ever, day {number}."))
    for number in range(_HISTORY)
)
