from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.memory import recall_vectors
from server.memory.embedding import StaticEmbedder, open_embedder
from server.memory.recall import Question, Recalled
from server.memory.store import Memory
from tests.memory.builders import WORLD, ended, happened, tell
from tests.support.embeddings import write_embeddings

PROMOTED = "They made me team lead."


@pytest.fixture
def embedder(tmp_path: Path) -> StaticEmbedder:
    return open_embedder(write_embeddings(tmp_path / "embeddings"))


@pytest.fixture
def meaning(memory: Memory, embedder: StaticEmbedder) -> Memory:
    memory.recall_by_meaning(embedder)
    return memory


async def memories(memory: Memory, query: str, limit: int = 3, npc: str = "hilda", **fields: Any) -> list[Recalled]:
    while await memory.extract_facts():
        pass
    while await memory.embed_new(2):
        pass
    return list(await memory.recall(WORLD, npc, Question(query, limit, **fields)))


async def texts(memory: Memory, query: str, limit: int = 3, **fields: Any) -> list[str]:
    return [one.event.text for one in await memories(memory, query, limit, **fields)]


async def test_what_is_said_in_other_words_is_found_by_its_meaning(meaning: Memory) -> None:
    await tell(meaning, PROMOTED, "hilda")
    for number in range(8):
        await tell(meaning, f"Day {number} was quiet.", "hilda")
    [best, *_] = await memories(meaning, "When did you get promoted?")
    assert best.event.text == PROMOTED
    assert best.why["meaning"] > 0.5


async def test_what_both_find_comes_before_what_one_finds(meaning: Memory) -> None:
    for text in ("Nobody fed the kitten.", "The miller sleeps.", "The cat of the miller."):
        await tell(meaning, text, "hilda")
        for number in range(5):
            await tell(meaning, f"Day {number} was quiet.", "hilda")
    found = await texts(meaning, "the miller's cat", 10)
    assert found[0] == "The cat of the miller."
    assert {"Nobody fed the kitten.", "The miller sleeps."} < set(found)


async def test_a_question_of_neither_words_nor_meaning_brings_back_the_newest(meaning: Memory) -> None:
    for number in range(4):
        await tell(meaning, f"day {number}", "hilda")
    assert await texts(meaning, "dragon", 2) == ["day 3", "day 2"]


async def test_only_what_was_witnessed_in_this_world_is_recalled(meaning: Memory) -> None:
    await tell(meaning, PROMOTED, "ansel")
    await tell(meaning, PROMOTED, "hilda", world="other")
    await tell(meaning, "Good morning.", "hilda")
    assert await texts(meaning, "Who was promoted?") == ["Good morning."]


async def test_an_undone_future_is_not_recalled(meaning: Memory) -> None:
    await tell(meaning, "My kitten sleeps.", "hilda")
    await meaning.save(WORLD, "one")
    await tell(meaning, PROMOTED, "hilda")
    assert PROMOTED in await texts(meaning, "promoted")
    await meaning.load(WORLD, "one")
    await tell(meaning, "Our flat leaks.", "hilda")
    assert PROMOTED not in await texts(meaning, "promoted", 10)
    assert await texts(meaning, "your pet", 1) == ["My kitten sleeps."]


async def test_a_line_that_ends_after_a_load_stays_in_its_future(meaning: Memory) -> None:
    await meaning.save(WORLD, "one")
    opened = await meaning.record(WORLD, "s", happened("hello", "hilda"), ("hilda",), None)
    await meaning.load(WORLD, "one")
    await tell(meaning, "Good morning.", "hilda")
    line = happened(PROMOTED, "hilda", kind="line", speaker="hilda", turn=opened.turns[0][0])
    await meaning.commit_turn(ended(opened.turns[0][0], "hilda", PROMOTED), line)
    assert await texts(meaning, "promoted") == ["Good morning."]


async def test_what_stands_in_the_prompt_is_not_recalled(meaning: Memory) -> None:
    seqs = [await tell(meaning, f"The kitten on day {number}", "hilda") for number in range(5)]
    found = await texts(meaning, "pet", 10, before=seqs[4], exclude=frozenset({seqs[1]}))
    assert set(found) == {"The kitten on day 0", "The kitten on day 2", "The kitten on day 3"}


async def test_of_what_changed_the_newest_is_told(meaning: Memory) -> None:
    await tell(meaning, "I live in the house by the mill.", "hilda")
    await tell(meaning, "Good morning.", "hilda")
    await tell(meaning, "I live in the tower now.", "hilda")
    found = await memories(meaning, "Which flat?", 3)
    assert "I live in the house by the mill." not in [one.text for one in found]


async def test_what_happened_before_a_start_is_found_again(memory: Memory, embedder: StaticEmbedder) -> None:
    await tell(memory, PROMOTED, "hilda")
    await tell(memory, "Good morning.", "hilda")
    memory.recall_by_meaning(embedder)
    assert (await texts(memory, "promoted", 1)) == [PROMOTED]


async def test_without_embeddings_nothing_is_read(memory: Memory) -> None:
    await tell(memory, PROMOTED, "hilda")
    assert await memory.embed_new() == 0


async def test_a_long_life_is_compared_by_its_newest(
    memory: Memory, embedder: StaticEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recall_vectors.VectorIndex.__init__, "__kwdefaults__", {"kept": 8, "searched": 4})
    memory.recall_by_meaning(embedder)
    for number in range(20):
        await tell(memory, f"The kitten on day {number}", "hilda")
        await memory.embed_new()
    found = await texts(memory, "pet", 20)
    assert "The kitten on day 19" in found
    assert "The kitten on day 2" not in found


async def test_many_npcs_are_asked_in_turn(meaning: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall_vectors, "READY", 1)
    for npc in ("hilda", "ansel", "mara"):
        await tell(meaning, PROMOTED, npc)
        await tell(meaning, "Good morning.", npc)
    for npc in ("hilda", "ansel", "mara", "hilda"):
        assert (await texts(meaning, "promoted", 1, npc=npc)) == [PROMOTED]
