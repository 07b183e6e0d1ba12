from __future__ import annotations

from pathlib import Path

import pytest

from server.memory import facts
from server.memory.store import Memory
from tests.memory.builders import WORLD, tell

DAY_S = 86_400.0


async def known(memory: Memory, npc: str = "hilda") -> list[str]:
    return [fact.text for fact in await memory.facts(WORLD, npc, limit=100)]


async def test_whoever_witnessed_the_words_knows_the_fact(memory: Memory) -> None:
    await tell(memory, "My sister Mara lives in Rivergate.", "hilda")
    await memory.extract_facts()
    assert await known(memory) == ["Mara lives in Rivergate.", "Ana's sister is Mara."]
    assert await known(memory, "ansel") == []


async def test_reading_again_changes_nothing(memory: Memory) -> None:
    await tell(memory, "I love mead.", "hilda")
    assert [await memory.extract_facts() for _ in range(3)] == [1, 0, 0]
    assert await known(memory) == ["Ana likes mead."]


async def test_every_event_is_read_once_whatever_the_batch(memory: Memory) -> None:
    for drink in ("mead", "ale", "wine", "milk", "water"):
        await tell(memory, f"I love {drink}.", "hilda")
    assert [await memory.extract_facts(2) for _ in range(4)] == [2, 2, 1, 0]
    assert len(await known(memory)) == 5


async def test_newer_rules_make_every_row_again(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    await tell(memory, "I love mead.", "hilda")
    await memory.extract_facts()
    monkeypatch.setattr(facts, "VERSION", 1_000)
    assert await memory.extract_facts() == 1
    assert await known(memory) == ["Ana likes mead."]


async def test_the_newest_of_what_can_hold_once_holds(memory: Memory) -> None:
    await tell(memory, "I hid the silver key under the old well.", "hilda", "ansel")
    await tell(memory, "The silver key is in the chapel.", "hilda")
    await memory.extract_facts()
    assert await known(memory) == ["The silver key is in the chapel."]
    assert await known(memory, "ansel") == ["The silver key is under the old well."]


async def test_a_load_takes_what_was_learnt_in_the_undone_future(memory: Memory) -> None:
    await tell(memory, "I love mead.", "hilda")
    await memory.save(WORLD, "one")
    await tell(memory, "I hate rats.", "hilda")
    await memory.load(WORLD, "one")
    await memory.extract_facts()  # after the load: the event is read, its branch is not seen
    assert await known(memory) == ["Ana likes mead."]


async def test_what_falls_due_comes_back_at_its_hour(memory: Memory) -> None:
    await tell(memory, "I'll bring you the ring tomorrow at noon.", "hilda", time=10 * DAY_S)
    await tell(memory, "See you tonight at the mill.", "hilda", time=10 * DAY_S)
    await memory.extract_facts()
    due = await memory.due_facts(WORLD, "hilda", after_h=240, up_to_h=300)
    assert [(fact.kind, fact.due_h) for fact in due] == [("appointment", 258.0), ("promise", 276.0)]
    assert [fact.kind for fact in await memory.due_facts(WORLD, "hilda", after_h=258, up_to_h=275)] == []
    assert await memory.due_facts(WORLD, "ansel", after_h=240, up_to_h=300) == ()


async def test_facts_outlive_the_process(tmp_path: Path) -> None:
    memory = await Memory.open(tmp_path)
    await tell(memory, "I love mead.", "hilda")
    await memory.extract_facts()
    await memory.close()
    memory = await Memory.open(tmp_path)
    assert await known(memory) == ["Ana likes mead."]
    await memory.close()
