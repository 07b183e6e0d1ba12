"""Who is compared: our recall, and three that are simpler. All tell what they find in the same words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Protocol

from server.bench.memory.dialogues import Dialogue, Turn
from server.memory.database import Connection, Database
from server.memory.embedding import Embedder
from server.memory.recall import Question, Recalled
from server.memory.records import NewEvent
from server.memory.store import Memory

NPC = "npc"
MOST = 80
"""So many memories are asked of every method: more than any budget holds."""
_WORD = re.compile(r"\w+")
_MAX_TERMS = 32


@dataclass(frozen=True, slots=True)
class Told:
    """A memory as it would stand in a prompt, and the turns that it tells of."""

    turns: frozenset[str]
    text: str


class Method(Protocol):
    """Something that recalls."""

    name: str

    async def learn(self, dialogue: Dialogue) -> None:
        """Take in a dialogue, in place of the one before."""

    async def recall(self, question: str) -> Sequence[Told]:
        """What it tells at a question, best first."""


class Ours:
    """The memory as the server has it, with the rules' facts."""

    name = "barkeep"

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._world = ""
        self._learned = 0
        self._ids: dict[int, str] = {}

    async def learn(self, dialogue: Dialogue) -> None:
        """See `Method`."""
        self._learned += 1
        self._world = f"bench:{self._learned}"  # two dialogues of a file may have one id
        self._ids = {}
        for is_undone, turns in groupby(dialogue.turns, lambda turn: turn.id in dialogue.undone):
            if is_undone:
                await self._memory.save(self._world, "before")
            kept = list(turns)
            seqs = await self._memory.record_many(self._world, [_happened(turn, dialogue) for turn in kept])
            self._ids |= dict(zip(seqs, (turn.id for turn in kept), strict=True))
            if is_undone:
                await self._memory.load(self._world, "before")
        while await self._memory.extract_facts(1_000):
            pass
        while await self._memory.embed_new(1_000):
            pass

    async def recall(self, question: str) -> Sequence[Told]:
        """See `Method`."""
        found = await self._memory.recall(self._world, NPC, Question(question, MOST))
        return [Told(frozenset({self._ids[one.event.seq]}), told(one)) for one in found]


def _happened(turn: Turn, dialogue: Dialogue) -> NewEvent:
    return NewEvent(
        kind="say",
        text=turn.text,
        speaker=turn.speaker.casefold(),
        speaker_name=turn.speaker,
        player="player",
        wall_s=turn.time or 0.0,
        witnesses=("somebody else",) if turn.id in dialogue.unheard else (NPC,),
        time=turn.time,
    )


def told(one: Recalled) -> str:
    """A memory in words: behind who said it, but for what somebody says of itself."""
    is_own = one.fact is not None and one.fact.subject == one.event.speaker_name
    words = one.text if is_own else f"{one.event.speaker_name}: {one.text}"
    return f"{words} (It was {one.former} before.)" if one.former else words


class Newest:
    """The last turns, the newest first."""

    name = "newest"

    def __init__(self) -> None:
        self._told: list[Told] = []

    async def learn(self, dialogue: Dialogue) -> None:
        """See `Method`."""
        self._told = [_whole(turn) for turn in reversed(dialogue.lived)]

    async def recall(self, question: str) -> Sequence[Told]:
        """See `Method`."""
        return self._told[:MOST]


class FullText:
    """SQLite's FTS5 and its own bm25: one turn a row, or each row with the words of the turns around it too."""

    def __init__(self, database: Database, name: str, *, around: int) -> None:
        self.name = name
        self._database = database
        self._around = around
        self._told: list[Told] = []

    async def learn(self, dialogue: Dialogue) -> None:
        """See `Method`."""
        texts = [turn.text for turn in dialogue.lived]
        reach = self._around
        rows = [(at + 1, " ".join(texts[max(0, at - reach) : at + reach + 1])) for at in range(len(texts))]
        self._told = [_whole(turn) for turn in dialogue.lived]
        table = f"turns_{self.name}"
        tokenizer = "porter unicode61" if reach else "unicode61"

        def fill(connection: Connection) -> None:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute(f"CREATE VIRTUAL TABLE {table} USING fts5 (text, tokenize = '{tokenizer}')")
            connection.executemany(f"INSERT INTO {table} (rowid, text) VALUES (?, ?)", rows)

        await self._database.write(fill)

    async def recall(self, question: str) -> Sequence[Told]:
        """See `Method`."""
        terms = list(dict.fromkeys(_WORD.findall(question.casefold())))[:_MAX_TERMS]
        if not terms:
            return ()
        match = " OR ".join(f'"{term}"' for term in terms)
        query = f"SELECT rowid FROM turns_{self.name} WHERE turns_{self.name} MATCH ? ORDER BY rank LIMIT ?"
        rows = await self._database.read(lambda connection: connection.execute(query, (match, MOST)).fetchall())
        return [self._told[row - 1] for (row,) in rows]


def _whole(turn: Turn) -> Told:
    return Told(frozenset({turn.id}), f"{turn.speaker}: {turn.text}")


async def open_all(folder: Path, embedder: Embedder | None = None) -> tuple[Memory, Database]:
    """A memory for ours, by meaning too with an embedder, and a database for the others, both in `folder`."""
    memory = await Memory.open(folder / "ours")
    if embedder is not None:
        memory.recall_by_meaning(embedder)
    try:
        return memory, await Database.open(folder / "others.db", ())
    except BaseException:
        await memory.close()
        raise
