from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.memory import recall
from server.memory.database import Connection
from server.memory.records import StoredEvent
from server.memory.store import Memory
from server.memory.timeline import VisiblePath
from tests.memory.builders import WORLD, tell


async def recalled(memory: Memory, query: str, limit: int = 3, **fields: Any) -> list[str]:
    return [event.text for event in await memory.recall(WORLD, "hilda", query, limit, **fields)]


async def test_without_a_word_in_common_the_newest_come_first(memory: Memory) -> None:
    for number in range(5):
        await tell(memory, f"day {number}", "hilda")
    assert await recalled(memory, "") == ["day 4", "day 3", "day 2"]
    assert await recalled(memory, "dragon") == ["day 4", "day 3", "day 2"]


async def test_what_shares_words_with_the_query_comes_first(memory: Memory) -> None:
    await tell(memory, "The silver key lies in the well.", "hilda")
    await tell(memory, "A key broke.", "hilda")
    await tell(memory, "Rain again.", "hilda")
    assert await recalled(memory, "Where is the SILVER one?") == [
        "The silver key lies in the well.",
        "Rain again.",
        "A key broke.",
    ]


async def test_only_what_was_witnessed_is_recalled(memory: Memory) -> None:
    await tell(memory, "The silver key lies in the well.", "ansel")
    await tell(memory, "Rain again.", "hilda")
    assert await recalled(memory, "silver key") == ["Rain again."]


async def test_what_stands_in_the_prompt_is_not_recalled(memory: Memory) -> None:
    seqs = [await tell(memory, f"day {number}", "hilda") for number in range(6)]
    assert await recalled(memory, "", before=seqs[4], exclude=frozenset({seqs[3], seqs[1]})) == [
        "day 2",
        "day 0",
    ]


async def test_exclusions_do_not_hide_what_lies_behind_them(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall, "WINDOW", 2)
    seqs = [await tell(memory, f"day {number}", "hilda") for number in range(9)]
    assert await recalled(memory, "", exclude=frozenset(seqs[3:])) == ["day 2", "day 1", "day 0"]


async def test_a_query_is_only_ever_text(memory: Memory) -> None:
    await tell(memory, "Rain again.", "hilda")
    for query in ('" OR 1=1 --', "NEAR(x) *", "'; DROP TABLE events", "%_\\\0", "\ud800", "天気 " * 700):
        assert await recalled(memory, query) == ["Rain again."]


async def test_another_retriever_can_take_its_place(tmp_path: Path) -> None:
    class Nothing:
        def recall(
            self, connection: Connection, path: VisiblePath, npc: str, query: str, limit: int, **bounds: Any
        ) -> list[StoredEvent]:
            asked.append((npc, query, limit, bounds))
            return []

    asked: list[object] = []
    memory = await Memory.open(tmp_path, Nothing())
    await tell(memory, "Rain again.", "hilda")
    assert await recalled(memory, "rain", before=7) == []
    assert asked == [("hilda", "rain", 3, {"before": 7, "exclude": frozenset()})]
    await memory.close()
