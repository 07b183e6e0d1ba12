"""The whole benchmark of memory: lives made or dialogues of a file, every method, and speed."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from server.bench.memory import speed
from server.bench.memory.dialogues import Dialogue
from server.bench.memory.methods import FullText, Method, Newest, Ours, open_all
from server.bench.memory.score import Count, Row, measure
from server.bench.memory.speed import Speed
from server.bench.memory.synthetic import make
from server.memory.embedding import Embedder


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured; `questions` counts those of all dialogues."""

    dialogues: int
    questions: int
    rows: tuple[Row, ...]
    speeds: tuple[Speed, ...]


def lives(count: int, seed: int) -> list[Dialogue]:
    """So many synthetic lives."""
    return [make(seed + number) for number in range(count)]


async def run(
    dialogues: Sequence[Dialogue], count: Count, events: tuple[int, ...], embedder: Embedder | None = None
) -> Found:
    """Ask all methods everything, then measure a world of each of `events`; ours by meaning too with an embedder."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="barkeep-bench-") as folder:
        memory, database = await open_all(Path(folder), embedder)
        try:
            methods: tuple[Method, ...] = (
                Ours(memory),
                FullText(database, "fts5_porter_neighbours", around=1),
                FullText(database, "bm25", around=0),
                Newest(),
            )
            for method in methods:
                rows += await measure(method, dialogues, count=count)
        finally:
            await memory.close()
            await database.close()
    speeds = await speed.measure(events, embedder=embedder) if events else []
    questions = sum(len(dialogue.questions) for dialogue in dialogues)
    return Found(len(dialogues), questions, tuple(rows), tuple(speeds))
