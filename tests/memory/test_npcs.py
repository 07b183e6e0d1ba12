from __future__ import annotations

from typing import Any

from server.memory.records import RequestKey, Standing
from server.memory.store import Memory
from tests.memory.builders import WORLD, tell


async def insert(memory: Memory, table: str, seq: int, **row: Any) -> None:
    """A row as a job would write it, following from the event `seq`."""
    head = await memory.head(WORLD)
    values = {"branch": head.branch, "seq": seq} | row
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    await memory._database.write(
        lambda c: c.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", [*values.values()])
    )


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


async def test_what_moved_holds_until_a_load_takes_it_back(memory: Memory) -> None:
    values = {"trust": 0.1, "warmth": 0.2, "respect": 0.3, "fear": 0.4}
    early = await tell(memory, "early", "hilda")
    await insert(memory, "moods", early, npc="hilda", label="calm", valence=0.1, arousal=0.0)
    await insert(memory, "standings", early, npc="hilda", other="player", note="a guest", **values)
    await insert(memory, "standings", early, npc="hilda", other="ansel", note="her brother", **values)
    await insert(memory, "summaries", early, npc="hilda", from_seq=0, text="A guest came.")
    await memory.save(WORLD, "one")
    late = await tell(memory, "late", "hilda")
    await insert(memory, "moods", late, npc="hilda", label="furious", valence=-0.9, arousal=0.9)
    await insert(memory, "standings", late, npc="hilda", other="player", note="a thief", **(values | {"trust": -1.0}))
    await insert(memory, "summaries", late, npc="hilda", from_seq=0, text="A guest stole.")

    brother = Standing("ansel", "her brother", **values)
    assert await memory.mood(WORLD, "hilda") == ("furious", -0.9, 0.9)
    assert await memory.standing(WORLD, "hilda") == (
        brother,
        Standing("player", "a thief", **(values | {"trust": -1.0})),
    )
    assert await memory.summary(WORLD, "hilda") == "A guest stole."
    await memory.load(WORLD, "one")
    assert await memory.mood(WORLD, "hilda") == ("calm", 0.1, 0.0)
    assert await memory.standing(WORLD, "hilda") == (brother, Standing("player", "a guest", **values))
    assert await memory.summary(WORLD, "hilda") == "A guest came."


async def test_an_npc_that_nothing_moved_has_no_state_of_its_own(memory: Memory) -> None:
    await tell(memory, "hello", "hilda")
    assert await memory.mood(WORLD, "hilda") is None
    assert await memory.standing(WORLD, "hilda") == ()
    assert await memory.summary(WORLD, "hilda") == ""
