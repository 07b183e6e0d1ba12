from __future__ import annotations

from server.memory.records import RequestKey
from server.memory.store import Memory
from tests.memory.builders import WORLD


async def test_patches_lie_over_each_other_field_by_field(memory: Memory) -> None:
    await memory.set_persona(WORLD, "hilda", {"name": "Hilda", "goals": ["a", "b"], "mood": None})
    await memory.set_persona(WORLD, "ansel", {"name": "Ansel"})
    await memory.set_persona(WORLD, "hilda", {"goals": ["c"]})
    assert await memory.personas(WORLD) == {
        "hilda": {"name": "Hilda", "goals": ["c"], "mood": None},
        "ansel": {"name": "Ansel"},
    }


async def test_a_load_takes_patches_back(memory: Memory) -> None:
    await memory.set_persona(WORLD, "hilda", {"role": "innkeeper"})
    await memory.save(WORLD, "one")
    await memory.set_persona(WORLD, "hilda", {"role": "queen"})
    await memory.load(WORLD, "one")
    assert await memory.personas(WORLD) == {"hilda": {"role": "innkeeper"}}
    await memory.set_persona(WORLD, "hilda", {"role": "smith", "mood": "merry"})
    assert await memory.personas(WORLD) == {"hilda": {"role": "smith", "mood": "merry"}}


async def test_a_patch_that_changes_nothing_takes_no_room(memory: Memory) -> None:
    for _ in range(3):
        await memory.set_persona(WORLD, "hilda", {"role": "innkeeper"})
    assert await memory._database.read(lambda c: c.execute("SELECT count(*) FROM personas").fetchone()) == (1,)


async def test_an_empty_patch_makes_an_npc_known(memory: Memory) -> None:
    await memory.set_persona(WORLD, "hilda", {})
    assert await memory.personas(WORLD) == {"hilda": {}}


async def test_a_repeated_patch_is_not_laid_on_again(memory: Memory) -> None:
    key = RequestKey("l", "1")
    assert await memory.set_persona(WORLD, "hilda", {"role": "innkeeper"}, key)
    await memory.set_persona(WORLD, "hilda", {"role": "queen"})
    assert not await memory.set_persona(WORLD, "hilda", {"role": "innkeeper"}, key)
    assert await memory.personas(WORLD) == {"hilda": {"role": "queen"}}
